import type { Dataset } from '../data/dataset.js';
import { showRule } from '../model/freeze.js';
import type { ResNet } from '../model/network.js';
import type { Note } from '../notes.js';
import type { RunDirectory } from './run-directory.js';
import type { RunSettings } from './settings.js';
import { STRATEGY_NAMES, strategies } from './strategies.js';

/** What was met before a run and changes what its result means. */
export function notesOf(
  model: Pick<ResNet, 'notes'>,
  data: Pick<Dataset, 'notes'>,
  directory: RunDirectory | null,
): readonly Note[] {
  const unlocked = directory?.isLocked === false ? [describeUnlocked(directory)] : [];
  return [...data.notes, ...model.notes, ...unlocked];
}

/** What a model was frozen with before a run, where that is not what its strategy would freeze. */
export function freezeNotes(
  { frozen }: Pick<ResNet, 'frozen'>,
  { freeze, strategy }: Pick<RunSettings, 'freeze' | 'strategy'>,
): readonly Note[] {
  if (frozen === null) return [];
  const own = STRATEGY_NAMES.find((name) => name === strategy);
  if (own !== undefined && showRule(strategies[own].freeze) === showRule(freeze)) return [];
  const rule = showRule(frozen.rule);
  const message =
    showRule(freeze) === rule
      ? `The model was frozen before (${rule}): its rule is used in place of that of the strategy ${strategy}. model.unfreeze() takes it back.`
      : `The model was frozen before (${rule}): the run's own rule (${showRule(freeze)}) is used in its place.`;
  return [{ code: 'model-frozen-before', message }];
}

function describeUnlocked({ path }: RunDirectory): Note {
  return {
    code: 'run-directory-not-locked',
    message: `The file system of ${path} has no locks: nothing keeps another run from writing there. See to it that none does.`,
  };
}
