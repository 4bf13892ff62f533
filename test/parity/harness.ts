/** How a parity test calls its Python script, and how it says what it found. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { HeadShape } from '../../src/model/head-shape.js';
import type { ModelDtype, NativeModel } from '../../src/native/contract/model.js';
import { native } from '../../src/native/load.js';
import { projectRoot } from '../support/paths.js';
import { readTensors, type TensorFile } from './safetensors.js';

/** A Python with the pinned PyTorch; scripts/parity.mjs makes one and names it. */
const python = process.env.RESNET_TORCH_PARITY_PYTHON;

/** For `describe`: why the suite does not run, or that it does. */
export const skip: string | false = python === undefined ? 'this needs PyTorch: run `npm run test:parity`' : false;

/** Runs `test/parity/<script>.py` on a folder that holds what `job` names, and gives what the script answered. */
export async function reference(script: string, folder: string, job: unknown): Promise<unknown> {
  writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
  const path = join(projectRoot, 'test', 'parity', `${script}.py`);
  // glibc gives large tensors back to the system at once, and PyTorch spends its time on fresh pages, unless told not to.
  const keepPages = { MALLOC_MMAP_THRESHOLD_: '1073741824', MALLOC_TRIM_THRESHOLD_: '1073741824' };
  const env = { ...process.env, ...keepPages, PYTHONDONTWRITEBYTECODE: '1' };
  await promisify(execFile)(python ?? 'python3', [path, folder], { env, maxBuffer: 1 << 26 });
  const answer = join(folder, 'answer.json');
  return existsSync(answer) ? JSON.parse(readFileSync(answer, 'utf8')) : null;
}

/** The worst of many differences, set against one bound: a row of the table in README.md. */
export class Comparison {
  readonly #what: string;
  readonly #bound: number;
  #cases = 0;
  #worst = 0;
  #where = '';

  constructor(what: string, bound: number) {
    this.#what = what;
    this.#bound = bound;
  }

  add(where: string, difference: number): void {
    this.#cases++;
    // What is not a number is the worst of all.
    if (difference > this.#worst || Number.isNaN(difference)) {
      this.#worst = difference;
      this.#where = where;
    }
  }

  /** Writes the row down, then fails if the worst is above the bound, or nothing was compared. */
  settle(): void {
    const row = { what: this.#what, cases: this.#cases, worst: this.#worst, where: this.#where, bound: this.#bound };
    const path = process.env.RESNET_TORCH_PARITY_RESULTS;
    if (path !== undefined) appendFileSync(path, `${JSON.stringify(row)}\n`);
    assert.ok(this.#cases > 0, `${this.#what}: nothing was compared`);
    assert.ok(this.#worst <= this.#bound, `${this.#what}: ${this.#worst} at ${this.#where}, above ${this.#bound}`);
  }
}

export interface Head {
  /** `resnet50` unless it is said. */
  readonly arch?: string;
  readonly classes: number;
  readonly hidden: readonly number[];
}

export function nativeModel(head: Head, dtype: ModelDtype, seed = 0): NativeModel {
  const shape: HeadShape = { classes: head.classes, hidden: head.hidden, dropout: 0 };
  return new (native().Model)({ arch: head.arch ?? 'resnet50', ...shape, dtype, device: 'cpu', seed });
}

/** A model with the tensors of a file that has torchvision's names. */
export async function loadedModel(head: Head, dtype: ModelDtype, weights: TensorFile | string): Promise<NativeModel> {
  const model = nativeModel(head, dtype);
  const file = typeof weights === 'string' ? readTensors(weights) : weights;
  await model.load(file.path, file.table);
  return model;
}
