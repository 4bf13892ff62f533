import { MOST_SEED } from '../../data/limits.js';
import { requireClassWeights } from '../../losses/class-weights.js';
import { DEFAULT_LOSS, LOSS_NAMES, lossOf } from '../../losses/registry.js';
import { KNOWN_METRICS, requireMetric } from '../../metrics/ask.js';
import { DEFAULT_BEST_METRIC } from '../../metrics/best.js';
import { requireCallback, requirePath, requireSignal } from '../option-checks.js';
import { readClassWeights } from '../option-readers.js';
import { choiceOr, code, number, type OptionRow, onOff, text, whole, written } from '../option-row.js';

/** Options of a run as a whole: where it is written, how long it goes on, what it makes small. */
export const RUN_OPTIONS = {
  out: {
    group: 'run',
    part: 'conditions',
    resume: 'free',
    type: text('path of a directory', requirePath),
    help: 'Run directory to write',
    otherwise: 'runs/DATE-TIME-STRATEGY',
  },
  overwrite: {
    group: 'run',
    part: 'conditions',
    resume: 'excluded',
    type: onOff,
    default: false,
    help: 'Replace the run that is in --out',
  },
  resume: {
    group: 'run',
    part: 'conditions',
    resume: 'free',
    type: onOff,
    default: false,
    help: 'Continue the run in --out from its last checkpoint, with its own settings',
    implies: 'out',
    conflicts: ['overwrite'],
  },
  weights: {
    group: 'run',
    part: 'model',
    resume: 'kept',
    type: written('name or path', String),
    help: 'imagenet-v2, imagenet-v1, none (random) or a .safetensors or .pth file',
    otherwise: 'imagenet-v2, or imagenet-v1 of what has no other',
  },
  epochs: {
    group: 'run',
    part: 'settings',
    resume: 'kept',
    type: whole({ min: 1, max: 1e6 }),
    default: 10,
    help: 'Passes over the training images',
  },
  bestMetric: {
    group: 'run',
    part: 'settings',
    resume: 'kept',
    type: text(KNOWN_METRICS, requireMetric),
    default: DEFAULT_BEST_METRIC,
    help: 'What the best epoch is chosen by, on the validation images; such as loss, f1-macro, roc-auc or top3',
  },
  patience: {
    group: 'run',
    part: 'settings',
    resume: 'kept',
    type: whole({ min: 1, max: 1e6 }),
    otherwise: 'none: all epochs are trained',
    help: 'End the run once so many epochs in a row were not better than the best one',
  },
  loss: {
    group: 'run',
    part: 'loss',
    resume: 'kept',
    type: choiceOr(LOSS_NAMES, 'or plain data', (value) => lossOf(value as never)),
    otherwise: DEFAULT_LOSS,
    help: 'What training makes small',
  },
  labelSmoothing: {
    group: 'run',
    part: 'loss',
    resume: 'kept',
    type: number({ min: 0, max: 1 }),
    otherwise: '0',
    help: 'Share of each label that cross-entropy spreads over all classes, such as 0.1',
    lossPart: 'labelSmoothing',
  },
  focalGamma: {
    group: 'run',
    part: 'loss',
    resume: 'kept',
    type: number({ min: 0 }),
    otherwise: '2',
    help: 'How much less the focal loss counts an image that is classified well',
    lossPart: 'gamma',
  },
  classWeights: {
    group: 'run',
    part: 'loss',
    resume: 'kept',
    type: text('balanced, or weights by class name', requireClassWeights, readClassWeights),
    help: 'How much classes count in the loss: balanced, or a JSON file such as { "ants": 1, "bees": 2.5 }',
    lossPart: 'classWeights',
  },
  clipNorm: {
    group: 'run',
    part: 'settings',
    resume: 'kept',
    type: number({ exclusiveMin: 0 }),
    help: 'Most that the norm of all gradients together may be in a step: larger ones are scaled down to it',
  },
  seed: {
    group: 'run',
    part: 'settings',
    resume: 'data',
    type: whole({ min: 0, max: MOST_SEED }),
    default: 0,
    help: 'Seeds the order, the views, the head and the split',
  },
  json: {
    group: null,
    part: 'command',
    resume: 'free',
    type: onOff,
    help: 'Print JSON alone on standard output, everything else on standard error',
  },
  signal: {
    group: 'run',
    part: 'conditions',
    resume: 'free',
    type: code('AbortSignal', requireSignal),
    help: 'Stops the run after the step that runs, and has its checkpoint written',
    noFlag: 'Ctrl-C and the signals of the system do this on the command line',
  },
  onEpoch: {
    group: 'run',
    part: 'conditions',
    resume: 'free',
    type: code('function', requireCallback),
    help: 'Called between epochs; may change rates and end the run',
    noFlag: 'it is a function',
  },
} as const satisfies Readonly<Record<string, OptionRow>>;
