import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ResnetTorchError } from '../errors.js';
import { type ArchitectureName, DEFAULT_ARCHITECTURE } from './architecture.js';
import { type CheckpointMetadata, headOf, readMetadata } from './weights/metadata.js';
import { openWeights } from './weights/open.js';
import type { TensorTable } from './weights/table.js';

/** What a path stands for where a model is wanted, read without loading a weight. */
export interface ModelSource {
  /** `checkpoint`: written by this package; `weights`: any other file with torchvision's names. */
  readonly kind: 'run' | 'checkpoint' | 'weights';
  /** The file that holds the tensors; of a run, its best checkpoint. */
  readonly path: string;
  readonly table: TensorTable;
  /** As its metadata says, or its tensors show. */
  readonly arch: ArchitectureName;
  /** Null for weights. */
  readonly metadata: CheckpointMetadata | null;
  readonly head: { readonly classes: number; readonly hidden: readonly number[]; readonly dropout: number };
}

/**
 * Tells a run directory, a checkpoint and a weights file apart.
 *
 * @throws ERR_CHECKPOINT when there is nothing at the path, or a folder without `best.safetensors`;
 *   ERR_WEIGHTS_FORMAT when a file is no weights file or has no head that can be read; ERR_SHAPE_MISMATCH when it is of
 *   another network; the signal's reason
 */
export async function readModelSource(path: string, signal?: AbortSignal): Promise<ModelSource> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) {
    throw new ResnetTorchError(
      'ERR_CHECKPOINT',
      `There is no ${path}. Name a run directory, a checkpoint or a weights file.`,
    );
  }
  const isRun = info.isDirectory();
  const file = isRun ? join(path, 'best.safetensors') : path;
  if (isRun && (await stat(file).catch(() => undefined)) === undefined) {
    throw new ResnetTorchError(
      'ERR_CHECKPOINT',
      `${path} holds no best.safetensors: it is no run directory, or its first epoch has not ended.`,
    );
  }
  const table = await openWeights(file, signal);
  const metadata = readMetadata(table);
  const arch = metadata?.arch ?? table.arch ?? DEFAULT_ARCHITECTURE;
  const head = headOf(table, arch);
  return {
    kind: metadata === null ? 'weights' : isRun ? 'run' : 'checkpoint',
    path: file,
    table,
    arch,
    metadata,
    head: { ...head, dropout: metadata?.head.dropout ?? 0 },
  };
}
