import { ResnetTorchError } from '../../errors.js';
import type { TensorToLoad } from '../../native/contract/model.js';
import type { Note } from '../../notes.js';
import type { ArchitectureName } from '../architecture.js';
import { type ClassNames, classRows } from './class-rows.js';
import { formatShape, listNames, type StoredTensor, type TensorTable } from './table.js';

/** A tensor of the model, as `NativeModel.tensors()` lists it. */
export interface ExpectedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: 'parameter' | 'buffer';
}

export interface WeightsMatch {
  /** What to hand to `NativeModel.load`, in the model's order. */
  readonly load: readonly TensorToLoad[];
  /**
   * Names of tensors of the model that are zero before these are loaded: biases that the file's head does without, and
   * the output beside a sigmoid's, as softmax over 0 and z is the sigmoid of z.
   */
  readonly zero: readonly string[];
  /** `skipped`: the file's head is of another size or layout, or there is none; the model's keeps its initial values. */
  readonly head: 'loaded' | 'skipped';
  /** What was taken, why the head was skipped, which tensors of the file are not used. */
  readonly notes: readonly Note[];
}

const HEAD = 'fc.';
const NO_NAMES: ClassNames = { wanted: null, held: null };
const COUNTER = '.num_batches_tracked';
const FLOATING: ReadonlySet<string> = new Set(['F64', 'F32', 'F16', 'BF16']);

/**
 * Decides which tensors of a file go into the model. The backbone must fit whole; `num_batches_tracked` may be absent,
 * as in files from before PyTorch 0.4.1. The head is loaded where its layers are the model's, its outputs by class name
 * where both have names, or it is not loaded at all.
 *
 * @param expected all tensors of the model, in its order
 * @param arch the model's
 * @throws ResnetTorchError `ERR_SHAPE_MISMATCH` naming what is missing or of another shape, with both shapes.
 */
export function matchWeights(
  table: TensorTable,
  expected: readonly ExpectedTensor[],
  arch: ArchitectureName,
  classes: ClassNames = NO_NAMES,
): WeightsMatch {
  const faults: string[] = [];
  const load: TensorToLoad[] = [];
  for (const wanted of expected) {
    if (wanted.name.startsWith(HEAD)) continue;
    const found = table.tensors.get(wanted.name);
    const fault = faultOf(wanted, found);
    if (fault !== null) faults.push(`${wanted.name}: ${fault}`);
    else if (found !== undefined) load.push(found);
  }
  if (faults.length > 0) throw misfit(table, expected, arch, faults);

  const head = matchHead(table, expected, classes);
  const known = new Set(expected.map((tensor) => tensor.name));
  const unused = [...table.tensors.keys()].filter((name) => !known.has(name) && !name.startsWith(HEAD));
  unused.push(...table.others);
  const notes = [...table.notes, ...head.notes];
  if (unused.length > 0) {
    notes.push({
      code: 'tensors-not-used',
      message: `Not used, since a ${arch} has no tensors of these names: ${listNames(unused)}.`,
    });
  }
  return { load: [...load, ...head.load], zero: head.zero, head: head.head, notes };
}

function faultOf(wanted: ExpectedTensor, found: StoredTensor | undefined): string | null {
  if (found === undefined)
    return wanted.name.endsWith(COUNTER) ? null : `expected ${formatShape(wanted.shape)}, missing`;
  if (!sameShape(wanted.shape, found.shape)) {
    return `expected ${formatShape(wanted.shape)}, the file has ${formatShape(found.shape)}`;
  }
  if (!wanted.name.endsWith(COUNTER) && !FLOATING.has(found.dtype)) {
    return `expected floating-point numbers, the file has ${found.dtype} (a quantised model?)`;
  }
  return null;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((side, axis) => side === b[axis]);
}

/** What of the file's head goes into the model's. */
function matchHead(table: TensorTable, expected: readonly ExpectedTensor[], classes: ClassNames): WeightsMatch {
  const skipped = (message: string): WeightsMatch => ({
    load: [],
    zero: [],
    head: 'skipped',
    notes: [{ code: 'head-not-loaded', message }],
  });
  const wanted = expected.filter(({ name }) => name.startsWith(HEAD));
  const held = [...table.tensors.values()].filter(({ name }) => name.startsWith(HEAD));
  if (held.length === 0) return skipped('The weights hold no head (fc.*); it starts from random values.');
  const last = wanted.findLast(({ name }) => name.endsWith('.weight'))?.name ?? '';
  const { rows, note } = classRows(classes);
  const isOfOutputs = (name: string) => name === last || name === biasOf(last);
  const fits =
    held.every(({ name }) => wanted.some((tensor) => tensor.name === name)) &&
    wanted.every(
      (tensor) =>
        headFaultOf(tensor, table.tensors.get(tensor.name), isOfOutputs(tensor.name) && rows !== null) === null,
    );
  if (!fits) {
    return skipped(
      `The head was not loaded and starts from random values: the weights have ${describeHead(held)}, ` +
        `the model has ${describeHead(wanted)}.`,
    );
  }
  if (rows?.length === 0) return { load: [], zero: [], head: 'skipped', notes: note === null ? [] : [note] };
  const load = wanted.flatMap(({ name }): TensorToLoad[] => {
    const found = table.tensors.get(name);
    if (found === undefined) return [];
    return [rows !== null && isOfOutputs(name) ? { ...found, rows: Int32Array.from(rows) } : found];
  });
  const isZero = (name: string) => !table.tensors.has(name) || (classes.sigmoid === true && isOfOutputs(name));
  const zero = wanted.map(({ name }) => name).filter(isZero);
  return { load, zero, head: 'loaded', notes: note === null ? [] : [note] };
}

/** A bias may be missing: it is zero then. The outputs may differ in number where they are taken by name. */
function headFaultOf(wanted: ExpectedTensor, found: StoredTensor | undefined, byName: boolean): string | null {
  if (found === undefined && wanted.name.endsWith('.bias')) return null;
  const shape = byName ? [found?.shape[0] ?? 0, ...wanted.shape.slice(1)] : wanted.shape;
  return faultOf({ ...wanted, shape }, found);
}

function biasOf(weight: string): string {
  return weight.replace(/weight$/, 'bias');
}

function describeHead(
  tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
  }[],
): string {
  const matrices = tensors.filter(({ name }) => name.endsWith('.weight'));
  return listNames(
    (matrices.length > 0 ? matrices : tensors).map(({ name, shape }) => `${name} ${formatShape(shape)}`),
    4,
  );
}

function misfit(
  table: TensorTable,
  expected: readonly ExpectedTensor[],
  arch: ArchitectureName,
  faults: readonly string[],
): ResnetTorchError {
  const limit = 10;
  const lines = faults.slice(0, limit).map((fault) => `\n  ${fault}`);
  if (faults.length > limit) lines.push(`\n  and ${faults.length - limit} more`);
  const known = new Set(expected.map(({ name }) => name));
  const strange = [...[...table.tensors.keys()].filter((name) => !known.has(name)), ...table.others];
  const hint =
    strange.length > 0 && faults.some((fault) => fault.endsWith('missing'))
      ? `\nNames in the file that a ${arch} does not have: ${listNames(strange, 5)}.`
      : '';
  return new ResnetTorchError(
    'ERR_SHAPE_MISMATCH',
    `${table.path} does not fit a ${arch} with torchvision's names; ` +
      `${faults.length === 1 ? 'one tensor is' : `${faults.length} tensors are`} missing or different:${lines.join('')}${hint}`,
  );
}
