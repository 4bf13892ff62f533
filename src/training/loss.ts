import type { Dataset } from '../data/dataset.js';
import { DEFAULT_LOSS, type LossSpec, lossesWith, lossOf } from '../losses/registry.js';
import { invalidArgument } from '../options.js';
import { checkedValues, namesOf, OPTION_ROWS } from './option-values.js';
import type { TrainOptions } from './options.js';

/** Options that replace a part of the loss, and what the loss calls it. */
const LOSS_PARTS = OPTION_ROWS.flatMap(([name, { lossPart }]) =>
  lossPart === undefined ? [] : [{ name: name as keyof TrainOptions, part: lossPart }],
);

/**
 * The loss that options ask for: `loss`, with the parts replaced that others give.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for a value out of range, or a part that the loss does not have
 */
export function lossOfOptions(options: TrainOptions): LossSpec {
  const given = checkedValues(options, namesOf('loss'));
  let spec = lossOf(given.loss ?? DEFAULT_LOSS);
  for (const { name, part } of LOSS_PARTS) {
    if (options[name] === undefined) continue;
    const losses = lossesWith(part);
    if (!losses.includes(spec.name)) {
      throw invalidArgument(`${name} is for the loss ${losses.join(' or ')}, and this is ${spec.name}. Leave it out.`);
    }
    spec = lossOf({ ...spec, [part]: options[name] });
  }
  return spec;
}

/** Images of each class that are trained on, by name. */
export function trainingCounts(data: Dataset): ReadonlyMap<string, number> {
  const { counts } = data.split('train');
  return new Map(data.classes.map((name, label) => [name, counts[label] ?? 0]));
}
