import type { Dataset } from '../data/dataset.js';
import type { Device } from '../model/device.js';
import { readModelSource } from '../model/model-source.js';
import { ResNet50 } from '../model/resnet50.js';
import { given } from './given.js';
import type { Output } from './output.js';

/**
 * The model to evaluate, with names for its outputs. A weights file has none: `names` has them, or the folder's
 * sorted classes do where they are as many and are not the outputs' indices themselves.
 */
export async function loadNamed(
  args: { readonly model: string; readonly device?: Device | undefined },
  names: readonly string[] | undefined,
  data: Dataset,
  signal: AbortSignal,
  output: Output,
): Promise<ResNet50> {
  const source = await readModelSource(args.model);
  let classes = names;
  const outputs = source.head.classes;
  if (source.metadata === null && classes === undefined && outputs === data.classes.length) {
    const indices = new Set(Array.from({ length: outputs }, (_, index) => String(index)));
    if (!data.classes.every((name) => indices.has(name))) {
      classes = data.classes;
      output.note(
        `The ${outputs} outputs have no names; they are taken for the folder's ${outputs} classes in sorted order.`,
      );
    }
  }
  const model = await ResNet50.load(args.model, given({ classes, device: args.device, signal }));
  for (const note of model.notes) output.note(note);
  return model;
}
