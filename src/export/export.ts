import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { ResnetTorchError } from '../errors.js';
import { fileError, writeFileAtomic } from '../files.js';
import { ResNet } from '../model/network.js';
import type { Note } from '../notes.js';
import { checkOptions, describe, invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';
import { onnxMetadata } from './metadata.js';
import { OPSETS, onnxFile } from './onnx/file.js';
import { networkGraph } from './onnx/graph.js';
import { stateDictFile } from './torch/state-dict.js';

/** Names of the formats in which a model is exported. */
export const EXPORT_FORMATS = ['onnx', 'torchvision', 'safetensors', 'fp16'] as const;

/**
 * `onnx`: for ONNX Runtime and what else reads it. `torchvision`: a state dict, as `torch.save` writes it. `safetensors`:
 * a checkpoint in float32. `fp16`: the same in float16, half the size.
 */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** What `onnx` alone takes. */
export interface OnnxOptions {
  /** BatchNorm becomes part of the convolution before it; otherwise it stays a node of its own. Default true. */
  readonly fold?: boolean;
  /** The output is `probabilities` instead of `logits`. Default false. */
  readonly softmax?: boolean;
  /** The set of operators that the file names, 13 to 21. Default 17. */
  readonly opset?: number;
}

export interface ExportOptions<F extends ExportFormat = ExportFormat> extends OnnxOptions {
  readonly format: F;
  /**
   * Path of the file, in a folder that is there. Default: beside the model, `model.onnx` in a run directory,
   * `<name>.onnx` for a file; the others end in `.pth`, `.safetensors`, `.fp16.safetensors`. A model in memory has none.
   */
  readonly out?: string;
  /** Write over a file that is there. Default false. */
  readonly overwrite?: boolean;
  /** Names of a weights file's outputs, in their order; default: the indices. A checkpoint has names of its own. */
  readonly classes?: readonly string[];
  /** Bytes written so far, and in all; by the formats `onnx` and `torchvision`. */
  readonly onProgress?: (bytes: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What was written where. */
export interface WeightsExport<F extends ExportFormat = ExportFormat> {
  readonly format: F;
  /** Absolute. */
  readonly path: string;
  /** Size of the file. */
  readonly bytes: number;
  /** How the weights were loaded, where it is not plain. */
  readonly notes: readonly Note[];
}

/** What was written as ONNX, and how the network in it is called. */
export interface OnnxExport extends WeightsExport<'onnx'> {
  /** Float32 [batch, 3, height, width], normalised as the metadata says; any batch, sides of 32 or more. */
  readonly input: 'images';
  /** Float32 [batch, classes]. */
  readonly output: 'logits' | 'probabilities';
  readonly folded: boolean;
  readonly opset: number;
}

/** What `exportModel()` answers for a format. */
export type ExportResult<F extends ExportFormat = ExportFormat> = F extends 'onnx' ? OnnxExport : WeightsExport<F>;

const OPTION_NAMES = [
  'format',
  'out',
  'overwrite',
  'fold',
  'softmax',
  'opset',
  'classes',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof ExportOptions)[];

const ENDINGS: Readonly<Record<ExportFormat, string>> = {
  onnx: '.onnx',
  torchvision: '.pth',
  safetensors: '.safetensors',
  fp16: '.fp16.safetensors',
};

/**
 * Writes a model for other programs, atomically: a crash, a full disk or an abortion leaves no part of a file.
 *
 * @param model a run directory (its best checkpoint), a checkpoint, a weights file, or a model in memory, which cannot
 *   be trained meanwhile
 * @throws ERR_INVALID_ARGUMENT for options out of range or of another format; ERR_OUTPUT_EXISTS when there is a file
 *   already; ERR_FILE when it cannot be written; ERR_NON_FINITE when a weight has no finite value in the format;
 *   ERR_CHECKPOINT, ERR_WEIGHTS_FORMAT or ERR_SHAPE_MISMATCH when there is no such model; ERR_BUSY while it is trained
 */
export async function exportModel<F extends ExportFormat>(
  model: ResNet | string,
  options: ExportOptions<F>,
): Promise<ExportResult<F>> {
  checkOptions(options, OPTION_NAMES, 'exportModel()');
  const format: ExportFormat = requireOneOf(options.format, 'format', EXPORT_FORMATS);
  const settings = onnxSettings(format, options);
  const overwrite = requireBoolean(options.overwrite ?? false, 'overwrite');
  const { signal } = options;
  const { out } = options;
  if (out !== undefined && (typeof out !== 'string' || out === '')) {
    throw invalidArgument(`out must be a path, not ${describe(out)}.`);
  }
  if (typeof model !== 'string' && !(model instanceof ResNet)) {
    throw invalidArgument(`The model must be a ResNet or a path, not ${describe(model)}.`);
  }
  signal?.throwIfAborted();
  const path = resolve(out ?? (await defaultPath(model, format)));
  await checkPlace(path, overwrite, model);
  const loaded = typeof model === 'string' ? await load(model, options) : inMemory(model, options);
  const release = loaded.acquire('an export');
  try {
    const result = await write(loaded, format, path, settings, options);
    return result as ExportResult<F>;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    release();
    if (typeof model === 'string') loaded.dispose();
  }
}

function onnxSettings(format: ExportFormat, options: OnnxOptions): Required<OnnxOptions> {
  for (const name of ['fold', 'softmax', 'opset'] as const) {
    if (format !== 'onnx' && options[name] !== undefined) {
      throw invalidArgument(`${name} is for the format onnx; ${format} has no such thing. Leave it out.`);
    }
  }
  return {
    fold: requireBoolean(options.fold ?? true, 'fold'),
    softmax: requireBoolean(options.softmax ?? false, 'softmax'),
    opset: requireNumber(options.opset ?? OPSETS.default, 'opset', { integer: true, min: OPSETS.min, max: OPSETS.max }),
  };
}

async function defaultPath(model: ResNet | string, format: ExportFormat): Promise<string> {
  if (typeof model !== 'string') throw invalidArgument('out must name the file: a model in memory has no place.');
  const info = await stat(model).catch(() => undefined);
  if (info?.isDirectory()) return join(model, `model${ENDINGS[format]}`);
  return join(dirname(model), basename(model, extname(model)) + ENDINGS[format]);
}

/** Refuses before the work what would fail after it. */
async function checkPlace(path: string, overwrite: boolean, model: ResNet | string): Promise<void> {
  const folder = await stat(dirname(path)).catch((error: unknown) => {
    throw fileError('write into', dirname(path), error);
  });
  if (!folder.isDirectory()) {
    throw new ResnetTorchError('ERR_FILE', `Cannot write ${path}: ${dirname(path)} is not a folder.`);
  }
  const there = await stat(path).catch(() => undefined);
  if (there === undefined) return;
  if (there.isDirectory()) throw new ResnetTorchError('ERR_FILE', `Cannot write ${path}: it is a folder. Name a file.`);
  if (!overwrite) {
    throw new ResnetTorchError('ERR_OUTPUT_EXISTS', `${path} is there already. Name another file, or overwrite it.`);
  }
  if (typeof model === 'string' && (await realpath(path)) === (await realpath(model).catch(() => undefined))) {
    throw new ResnetTorchError('ERR_OUTPUT_EXISTS', `${path} is the model itself. Name another file.`);
  }
}

async function load(path: string, { classes, signal }: ExportOptions): Promise<ResNet> {
  const named = classes === undefined ? {} : { classes };
  return ResNet.load(path, { device: 'cpu', ...named, ...(signal === undefined ? {} : { signal }) });
}

function inMemory(model: ResNet, { classes }: ExportOptions): ResNet {
  if (classes !== undefined) {
    throw invalidArgument('classes are for a weights file; this model has names. Leave them out.');
  }
  return model;
}

async function write(
  model: ResNet,
  format: ExportFormat,
  path: string,
  settings: Required<OnnxOptions>,
  options: ExportOptions,
): Promise<ExportResult> {
  switch (format) {
    case 'onnx': {
      const graph = networkGraph(model.arch, model.head, settings);
      const file = onnxFile(graph, settings.opset, onnxMetadata(model));
      await writeFileAtomic(path, watched(file.parts(model.handle), file.bytes, options));
      const output = settings.softmax ? 'probabilities' : 'logits';
      const { fold: folded, opset } = settings;
      return { format, path, bytes: file.bytes, notes: model.notes, input: 'images', output, folded, opset };
    }
    case 'torchvision': {
      const file = stateDictFile(model.handle.tensors());
      await writeFileAtomic(path, watched(file.parts(model.handle), file.bytes, options));
      break;
    }
    default: {
      const dtype = format === 'fp16' ? 'float16' : 'float32';
      const metadata = model.checkpointMetadata(format === 'fp16' ? { extra: { dtype } } : {});
      await model.handle.save(path, metadata, dtype);
    }
  }
  return { format, path, bytes: (await stat(path)).size, notes: model.notes };
}

/** Says how far it has come, and ends when it is told to. */
async function* watched(
  parts: AsyncIterable<Uint8Array>,
  total: number,
  { signal, onProgress }: ExportOptions,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const part of parts) {
    signal?.throwIfAborted();
    yield part;
    bytes += part.byteLength;
    onProgress?.(Math.min(bytes, total), total);
  }
}
