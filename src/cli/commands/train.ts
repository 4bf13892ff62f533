import type { ArgumentsCamelCase, Argv, CommandModule } from 'yargs';
import { flags } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { TRAIN_FLAGS, type TrainArguments } from '../train-options.js';

export const trainCommand: CommandModule<object, TrainArguments> = {
  command: 'train <data>',
  describe: 'Fine-tune on a folder or a list of images',
  builder: (cli) =>
    cli
      .positional('data', {
        type: 'string',
        demandOption: true,
        description: 'A folder with train/ and val/, one folder of class folders, or a list of images (.csv, .jsonl)',
      })
      .options(flags(TRAIN_FLAGS))
      .example('$0 train data/bees', 'differential rates from ImageNet weights, 10 epochs')
      .example('$0 train data/bees --strategy feature-extraction --out runs/bees', 'the head alone')
      .example('$0 train data/bees --arch resnet18', 'a smaller network, from its own ImageNet weights')
      .example('$0 train photos --val-split 0.2 --freeze-until layer2 --lr 3e-4', 'a strategy of your own')
      .example(
        '$0 train data/bees --freeze-until layer3 --augment standard --cache-views 4',
        'four random crops of each',
      )
      .example('$0 train data/bees --out runs/bees --resume', 'go on where a run was stopped')
      .example('$0 train data/bees --json > events.jsonl', 'events, one JSON object a line; the last is the result')
      .epilogue(
        'The run directory holds config.json, events.jsonl, best.safetensors and checkpoints/. `inspect` with the same options ' +
          'shows what they mean for each unit. Ctrl-C, SIGTERM and SIGHUP write a checkpoint and stop; --resume goes on.',
      ) as Argv<TrainArguments>,
  handler: (args: ArgumentsCamelCase<TrainArguments>) =>
    interruptible(async (signal) => (await import('../run-training.js')).runTraining(args, signal)),
};
