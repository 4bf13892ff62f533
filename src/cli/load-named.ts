import type { Dataset, SplitName } from '../data/dataset.js';
import type { Device } from '../model/device.js';
import { readModelSource } from '../model/model-source.js';
import { ResNet } from '../model/network.js';
import type { Note } from '../notes.js';
import { given } from './given.js';

/**
 * The model to evaluate, with names for its outputs. A weights file has none: `names` has them, or the folder's
 * sorted classes do where they are as many and are not the outputs' indices themselves.
 */
export async function loadNamed(
  args: {
    readonly model: string;
    readonly device?: Device | undefined;
    readonly split?: SplitName | undefined;
    readonly valSplit?: number | undefined;
  },
  names: readonly string[] | undefined,
  data: Dataset,
  signal: AbortSignal,
): Promise<{ readonly model: ResNet; readonly notes: readonly Note[] }> {
  const source = await readModelSource(args.model);
  let classes = names;
  const notes: Note[] = [];
  const outputs = source.head.classes;
  if (source.metadata === null && classes === undefined && outputs === data.classes.length) {
    const indices = new Set(Array.from({ length: outputs }, (_, index) => String(index)));
    if (!data.classes.every((name) => indices.has(name))) {
      classes = data.classes;
      notes.push({
        code: 'outputs-named-in-order',
        message: `The ${outputs} outputs have no names; they are taken for the folder's ${outputs} classes in sorted order.`,
      });
    }
  }
  const known = classes ?? source.metadata?.classes;
  const split = args.split ?? (data.hasParts || args.valSplit !== undefined ? 'val' : 'all');
  // The weights are loaded for nothing where they do not know what they are asked about.
  if (known !== undefined) data.refuseUnknown(split, known);
  const model = await ResNet.load(args.model, given({ classes, device: args.device, signal }));
  return { model, notes: [...notes, ...model.notes] };
}
