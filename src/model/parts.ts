import type { NativeDevice } from '../native/contract/device.js';
import type { ModelDtype, NativeModel } from '../native/contract/model.js';
import type { Note } from '../notes.js';
import type { ArchitectureName } from './architecture.js';
import type { HeadShape } from './head-shape.js';
import type { Preprocessing, TransformMetadata } from './weights/index.js';

/** The dtypes that a model may have. */
export const DTYPES = ['float32', 'float64'] as const satisfies readonly ModelDtype[];

/** What a model is made of. */
export interface ModelParts {
  readonly arch: ArchitectureName;
  readonly handle: NativeModel;
  readonly head: HeadShape;
  readonly classes: readonly string[];
  readonly classesAreNamed: boolean;
  readonly dtype: ModelDtype;
  readonly device: NativeDevice;
  readonly notes: readonly Note[];
  readonly weights: string;
  readonly preprocessing: Preprocessing | null;
  readonly transform: TransformMetadata | null;
  readonly strategy: string | null;
}
