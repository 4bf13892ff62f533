import { defaultResize, MEAN, STD } from '../data/transforms/spec.js';
import type { ResNet } from '../model/network.js';
import { versions } from '../model/versions.js';

/** How an image becomes the input of an exported network, as JSON under `preprocessing`. */
export interface Preprocessing {
  /** Short side, in pixels, to which an image is scaled first, antialiased and bilinear. */
  readonly resize: number;
  /** Side of the centre crop, pixels. */
  readonly crop: number;
  readonly interpolation: 'bilinear, antialiased';
  /** Values are divided by this, then normalised: (x / scale − mean) / std. */
  readonly scale: 255;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly channelOrder: 'RGB';
  readonly layout: 'NCHW';
}

/** As the model was trained; where that is not known, as prediction with this package does it. */
export function preprocessingOf(model: ResNet): Preprocessing {
  const crop = model.preprocessing?.crop ?? 224;
  return {
    resize: model.preprocessing?.resize ?? defaultResize(crop),
    crop,
    interpolation: 'bilinear, antialiased',
    scale: 255,
    mean: model.transform?.mean ?? MEAN,
    std: model.transform?.std ?? STD,
    channelOrder: 'RGB',
    layout: 'NCHW',
  };
}

/** What goes to `metadata_props` of an ONNX model. */
export function onnxMetadata(model: ResNet): Readonly<Record<string, string>> {
  return {
    arch: model.arch,
    labels: JSON.stringify(model.classes),
    preprocessing: JSON.stringify(preprocessingOf(model)),
    ...(model.strategy === null ? {} : { strategy: model.strategy }),
    versions: JSON.stringify(versions()),
  };
}
