import { checkOptions } from '../options.js';
import type { ArchitectureName } from './architecture.js';
import type { HeadShape } from './head-shape.js';
import { versions } from './versions.js';
import { CHECKPOINT_FORMAT, CHECKPOINT_VERSION, type TransformMetadata } from './weights/index.js';

/** What a checkpoint says of itself, beside the architecture, the class names and the head. */
export interface Metadata {
  /** How images become input; default: what the model was trained or loaded with. */
  readonly transform?: TransformMetadata;
  readonly strategy?: string;
  /** Further keys. */
  readonly extra?: Readonly<Record<string, string>>;
}

/** What of a model goes into its checkpoint's metadata. */
interface Described {
  readonly arch: ArchitectureName;
  readonly classes: readonly string[];
  readonly head: HeadShape;
  readonly transform: TransformMetadata | null;
  readonly strategy: string | null;
}

/** The `__metadata__` of a checkpoint, which `readMetadata()` reads. */
export function writeMetadata(model: Described, metadata: Metadata): Readonly<Record<string, string>> {
  checkOptions(metadata, ['transform', 'strategy', 'extra'], 'save()');
  const transform = metadata.transform ?? model.transform;
  const strategy = metadata.strategy ?? model.strategy;
  const { hidden, dropout } = model.head;
  return {
    ...metadata.extra,
    format: CHECKPOINT_FORMAT,
    formatVersion: String(CHECKPOINT_VERSION),
    arch: model.arch,
    classes: JSON.stringify(model.classes),
    head: JSON.stringify({ hidden, dropout }),
    ...(transform === null ? {} : { transform: JSON.stringify(transform) }),
    ...(strategy === null ? {} : { strategy }),
    versions: JSON.stringify(versions()),
  };
}
