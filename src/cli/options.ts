import type { Options } from 'yargs';
import { type Device, isDevice } from '../model/device.js';
import { parseLrTiers, type RateTier } from '../optim/groups.js';
import { type LossScale, MOST_LOSS_SCALE } from '../training/loss-scale.js';

/**
 * The options that commands share. None has a default here: what is not given is left to the strategy or to the
 * library, so that a default has one home. Texts name it.
 */

interface Range {
  readonly min?: number;
  readonly max?: number;
  /** The smallest number that is still too small. */
  readonly above?: number;
  readonly integer?: boolean;
}

/** Reads a number or says, in the words of the command line, what was expected. */
export function number(flag: string, range: Range = {}): (given: string | number) => number {
  const kind = range.integer === true ? 'a whole number' : 'a number';
  const low =
    range.above !== undefined ? ` above ${range.above}` : range.min !== undefined ? ` of ${range.min} or more` : '';
  const high = range.max !== undefined ? `${low === '' ? '' : ','} at most ${range.max}` : '';
  return (given) => {
    const text = String(given);
    const value = text.trim() === '' ? Number.NaN : Number(text);
    const valid =
      Number.isFinite(value) &&
      (range.integer !== true || Number.isInteger(value)) &&
      value >= (range.min ?? -Infinity) &&
      value > (range.above ?? -Infinity) &&
      value <= (range.max ?? Infinity);
    if (!valid) throw new Error(`--${flag} takes ${kind}${low}${high}, not ${JSON.stringify(text)}.`);
    return value;
  };
}

export function readTiers(given: string | number): readonly RateTier[] {
  try {
    return parseLrTiers(String(given));
  } catch (error) {
    throw new Error(`--lr-tiers ${given}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** `linear` or `none`: one linear layer; `1024` or `1024,256`: hidden layers of these widths. */
export function readHead(given: string | number): readonly number[] {
  const text = String(given);
  if (text === 'linear' || text === 'none') return [];
  return text.split(',').map((part) => {
    const value = Number(part);
    if (!Number.isInteger(value) || value < 1) {
      throw new Error(`--head takes hidden widths such as 1024 or 1024,256, or linear, not ${JSON.stringify(text)}.`);
    }
    return value;
  });
}

export function readPattern(given: string | number): string {
  const text = String(given);
  try {
    new RegExp(text);
  } catch (error) {
    throw new Error(
      `--freeze-match takes a regular expression: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  return text;
}

/** `dynamic`, or a number. */
export function readLossScale(given: string | number): LossScale {
  if (given === 'dynamic') return given;
  const value = String(given).trim() === '' ? Number.NaN : Number(given);
  if (value > 0 && value <= MOST_LOSS_SCALE) return value;
  throw new Error(
    `--loss-scale takes dynamic or a number above 0, at most ${MOST_LOSS_SCALE}, not ${JSON.stringify(String(given))}.`,
  );
}

export function readDevice(given: string | number): Device {
  if (isDevice(given)) return given;
  throw new Error(`--device takes auto, cpu, cuda or cuda:N, not ${JSON.stringify(String(given))}.`);
}

const MODEL_GROUP = 'What trains, and how fast:';
const DATA_GROUP = 'Images:';
const COMPUTE_GROUP = 'Machine:';

export const jsonOption = {
  json: { type: 'boolean', description: 'Print JSON alone on standard output, everything else on standard error' },
} as const satisfies Record<string, Options>;

/** The argument of the commands that use a model. */
export const modelArgument = {
  type: 'string',
  demandOption: true,
  description: 'A run directory, a checkpoint or a weights file',
} as const;

export const classesOption = {
  classes: {
    type: 'string',
    requiresArg: true,
    description: "File with the names of a weights file's outputs, one a line, in their order",
  },
} as const satisfies Record<string, Options>;

/** What is made of an image, and how images are read. */
export const imageOptions = {
  'image-size': {
    group: DATA_GROUP,
    requiresArg: true,
    description: 'Side of the square that the network sees, in pixels, 32 or more',
    coerce: number('image-size', { integer: true, min: 32 }),
  },
  resize: {
    group: DATA_GROUP,
    requiresArg: true,
    description: "Short side before the centre crop; default: the weights' own, else 256/224 of the image size",
    coerce: number('resize', { integer: true, min: 1 }),
  },
} as const satisfies Record<string, Options>;

export const corruptOption = {
  'skip-corrupt': {
    group: DATA_GROUP,
    type: 'boolean',
    description: 'Leave out files that cannot be read, and list them, instead of stopping',
  },
} as const satisfies Record<string, Options>;

export const computeOptions = {
  'batch-size': {
    group: COMPUTE_GROUP,
    requiresArg: true,
    description: 'Images a step; default 32',
    coerce: number('batch-size', { integer: true, min: 1 }),
  },
  device: {
    group: COMPUTE_GROUP,
    requiresArg: true,
    description:
      'auto, cpu, cuda or cuda:N; auto: cuda:0 where it can be had, else cpu; not run on a GPU so far; default auto',
    coerce: readDevice,
  },
  precision: {
    group: COMPUTE_GROUP,
    type: 'string',
    requiresArg: true,
    choices: ['auto', 'bf16', 'fp16', 'fp32'] as const,
    description: 'auto: bf16 where the processor is fast at it or on CUDA; fp16: on CUDA alone; default auto',
  },
  workers: {
    group: COMPUTE_GROUP,
    requiresArg: true,
    description: 'Threads that read and decode images; default: one a core, or half of them with a GPU',
    coerce: number('workers', { integer: true, min: 1, max: 256 }),
  },
  threads: {
    group: COMPUTE_GROUP,
    requiresArg: true,
    description: 'Threads of the arithmetic; default: as many as there are cores',
    coerce: number('threads', { integer: true, min: 1, max: 1024 }),
  },
} as const satisfies Record<string, Options>;

/** Of training alone. */
export const stepOptions = {
  'loss-scale': {
    group: COMPUTE_GROUP,
    requiresArg: true,
    description: 'For fp16: dynamic, or a fixed factor of the loss such as 128; default dynamic',
    coerce: readLossScale,
  },
  'cuda-graph': {
    group: COMPUTE_GROUP,
    type: 'boolean',
    description: 'Record a step as a CUDA graph and replay it; on CUDA alone',
  },
} as const satisfies Record<string, Options>;

/** Where the outputs of what is frozen are kept. */
export const cacheOptions = {
  cache: {
    group: COMPUTE_GROUP,
    type: 'string',
    requiresArg: true,
    choices: ['auto', 'memory', 'disk', 'off'] as const,
    description: 'Where outputs of the units frozen from the input on are kept for later epochs; default auto',
  },
  'cache-views': {
    group: COMPUTE_GROUP,
    requiresArg: true,
    description: 'Views of each training image that epochs walk through, so that random crops can be cached',
    coerce: number('cache-views', { integer: true, min: 1 }),
  },
} as const satisfies Record<string, Options>;

/** The strategy and the flags that override parts of it. */
export const planOptions = {
  strategy: {
    group: MODEL_GROUP,
    type: 'string',
    requiresArg: true,
    choices: ['feature-extraction', 'partial', 'differential', 'full'] as const,
    description: 'What to start from; every other option of this group overrides a part of it; default differential',
  },
  freeze: {
    group: MODEL_GROUP,
    type: 'string',
    requiresArg: true,
    choices: ['backbone', 'none'] as const,
    conflicts: ['freeze-until', 'freeze-fraction', 'freeze-match'],
    description: 'Freeze all but the head, or nothing',
  },
  'freeze-until': {
    group: MODEL_GROUP,
    type: 'string',
    requiresArg: true,
    conflicts: ['freeze-fraction', 'freeze-match'],
    description: 'Freeze from the input up to and with this unit or stage, such as layer3 or layer2.1',
  },
  'freeze-fraction': {
    group: MODEL_GROUP,
    requiresArg: true,
    conflicts: ['freeze-match'],
    description: "Freeze this share of the backbone's 53 convolutions from the input, 0 to 1",
    coerce: number('freeze-fraction', { min: 0, max: 1 }),
  },
  'freeze-match': {
    group: MODEL_GROUP,
    requiresArg: true,
    description: 'Freeze the parameters whose names this regular expression matches',
    coerce: readPattern,
  },
  'batch-norm': {
    group: MODEL_GROUP,
    type: 'string',
    requiresArg: true,
    choices: ['follow', 'eval', 'train'] as const,
    description:
      'follow: statistics stand still where the layer is frozen; eval: everywhere; train: nowhere; default follow',
  },
  lr: {
    group: MODEL_GROUP,
    requiresArg: true,
    description: 'Rate of the last tier, or of all; other tiers keep their ratio to it',
    coerce: number('lr', { above: 0 }),
  },
  'head-lr': {
    group: MODEL_GROUP,
    requiresArg: true,
    description: 'Rate of the head',
    coerce: number('head-lr', { above: 0 }),
  },
  'lr-tiers': {
    group: MODEL_GROUP,
    requiresArg: true,
    conflicts: ['layer-decay'],
    description: 'Rates by share of the backbone, such as 0.25:1e-6,0.75:1e-5,1:1e-4',
    coerce: readTiers,
  },
  'layer-decay': {
    group: MODEL_GROUP,
    requiresArg: true,
    description: "A rate for every unit: this factor times the next unit's, 0 to 1, down from --lr",
    coerce: number('layer-decay', { above: 0, max: 1 }),
  },
  'weight-decay': {
    group: MODEL_GROUP,
    requiresArg: true,
    description: 'Weight decay of every group',
    coerce: number('weight-decay', { min: 0 }),
  },
  'decay-norm-bias': {
    group: MODEL_GROUP,
    type: 'boolean',
    description: 'Whether BatchNorm and biases are decayed too; --no-decay-norm-bias leaves them out',
  },
  optimizer: {
    group: MODEL_GROUP,
    type: 'string',
    requiresArg: true,
    choices: ['sgd', 'adam', 'adamw'] as const,
    description: 'sgd has momentum 0.9',
  },
  schedule: {
    group: MODEL_GROUP,
    type: 'string',
    requiresArg: true,
    choices: ['constant', 'cosine', 'linear'] as const,
    description: 'How rates move over the run',
  },
  'warmup-epochs': {
    group: MODEL_GROUP,
    requiresArg: true,
    description: 'Epochs, or a part of one, over which rates rise from nothing',
    coerce: number('warmup-epochs', { min: 0 }),
  },
  head: {
    group: MODEL_GROUP,
    requiresArg: true,
    description: 'Hidden widths of the head, such as 1024 or 1024,256, or linear; default 1024',
    coerce: readHead,
  },
  dropout: {
    group: MODEL_GROUP,
    requiresArg: true,
    description: 'Dropout after each hidden layer of the head, 0 or more, below 1',
    coerce: number('dropout', { min: 0, max: 0.999 }),
  },
} as const satisfies Record<string, Options>;
