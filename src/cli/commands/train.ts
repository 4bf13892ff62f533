import type { ArgumentsCamelCase, Argv, CommandModule, InferredOptionTypes } from 'yargs';
import { interruptible } from '../interrupt.js';
import {
  cacheOptions,
  computeOptions,
  corruptOption,
  imageOptions,
  jsonOption,
  number,
  planOptions,
  stepOptions,
} from '../options.js';

const RUN_GROUP = 'The run:';

export const trainOptions = {
  out: {
    group: RUN_GROUP,
    type: 'string',
    requiresArg: true,
    description: 'Run directory to write; default runs/DATE-TIME-STRATEGY',
  },
  overwrite: { group: RUN_GROUP, type: 'boolean', description: 'Replace the run that is in --out' },
  resume: {
    group: RUN_GROUP,
    type: 'boolean',
    implies: 'out',
    conflicts: ['overwrite'],
    description: 'Continue the run in --out from its last checkpoint, with its own settings',
  },
  weights: {
    group: RUN_GROUP,
    type: 'string',
    requiresArg: true,
    description: 'imagenet-v2, imagenet-v1, none (random) or a .safetensors or .pth file; default imagenet-v2',
  },
  epochs: {
    group: RUN_GROUP,
    requiresArg: true,
    description: 'Passes over the training images; default 10',
    coerce: number('epochs', { integer: true, min: 1 }),
  },
  seed: {
    group: RUN_GROUP,
    requiresArg: true,
    description: 'Seeds the order, the views, the head and the split; default 0',
    coerce: number('seed', { integer: true, min: 0, max: Number.MAX_SAFE_INTEGER }),
  },
  ...jsonOption,
  ...planOptions,
  augment: {
    group: 'Images:',
    type: 'string',
    requiresArg: true,
    choices: ['none', 'flip', 'standard'] as const,
    description: "How training images are varied; default: the strategy's",
  },
  'val-split': {
    group: 'Images:',
    requiresArg: true,
    description: 'Share of each class to hold back where the folder has no val/; default 0.2',
    coerce: number('val-split', { above: 0, max: 0.9 }),
  },
  ...imageOptions,
  ...corruptOption,
  'cache-images': {
    group: 'Images:',
    type: 'boolean',
    description: 'Keep decoded images in memory, as many as fit in a quarter of what is available',
  },
  ...computeOptions,
  ...stepOptions,
  ...cacheOptions,
} as const;

export interface TrainArguments extends InferredOptionTypes<typeof trainOptions> {
  readonly data: string;
}

export const trainCommand: CommandModule<object, TrainArguments> = {
  command: 'train <data>',
  describe: 'Fine-tune on a folder of class folders',
  builder: (cli) =>
    cli
      .positional('data', {
        type: 'string',
        demandOption: true,
        description: 'A folder with train/ and val/, or one folder of class folders',
      })
      .options(trainOptions)
      .example('$0 train data/bees', 'differential rates from ImageNet weights, 10 epochs')
      .example('$0 train data/bees --strategy feature-extraction --out runs/bees', 'the head alone')
      .example('$0 train photos --val-split 0.2 --freeze-until layer2 --lr 3e-4', 'a strategy of your own')
      .example(
        '$0 train data/bees --freeze-until layer3 --augment standard --cache-views 4',
        'four random crops of each',
      )
      .example('$0 train data/bees --out runs/bees --resume', 'go on where a run was stopped')
      .example('$0 train data/bees --json > events.jsonl', 'events, one JSON object a line; the last is the result')
      .epilogue(
        'The run directory holds config.json, events.jsonl, best.safetensors and checkpoints/. `inspect` with the same options ' +
          'shows what they mean for each unit.',
      ) as Argv<TrainArguments>,
  handler: (args: ArgumentsCamelCase<TrainArguments>) =>
    interruptible(async (signal) => (await import('../run-training.js')).runTraining(args, signal)),
};
