import type { ArgumentsCamelCase, Argv, CommandModule, InferredOptionTypes } from 'yargs';
import { number } from '../../option-text.js';
import { given } from '../given.js';
import { interruptible } from '../interrupt.js';
import { classesOption, jsonOption, modelArgument, withRanges } from '../options.js';
import { createOutput } from '../output.js';

const ONNX_GROUP = 'ONNX:';

const options = {
  format: {
    type: 'string',
    choices: ['onnx', 'torchvision', 'safetensors', 'fp16'] as const,
    requiresArg: true,
    demandOption: true,
    description:
      'onnx: for ONNX Runtime and the like. torchvision: a state dict for torch.load. safetensors: a float32 checkpoint. ' +
      'fp16: the same in float16',
  },
  out: {
    type: 'string',
    requiresArg: true,
    description: 'The file; default: beside the model, such as model.onnx in a run directory',
  },
  overwrite: { type: 'boolean', description: 'Write over a file that is there' },
  fold: {
    group: ONNX_GROUP,
    type: 'boolean',
    description: 'BatchNorm as part of the convolutions (the default), or as nodes: --no-fold',
  },
  softmax: { group: ONNX_GROUP, type: 'boolean', description: 'Put out probabilities instead of logits' },
  opset: {
    group: ONNX_GROUP,
    requiresArg: true,
    description: 'The set of operators that the file names, 13 to 21; default 17',
    coerce: number('opset', { integer: true, min: 13, max: 21 }),
  },
  ...jsonOption,
  ...classesOption,
} as const;

interface ExportArguments extends InferredOptionTypes<typeof options> {
  readonly model: string;
}

export const exportCommand: CommandModule<object, ExportArguments> = {
  command: 'export <model>',
  describe: 'Write a model for other programs: ONNX, PyTorch, safetensors',
  builder: (cli) =>
    cli
      .positional('model', modelArgument)
      .options(withRanges(options))
      .example('$0 export runs/bees --format onnx', 'runs/bees/model.onnx, for any batch and image size')
      .example('$0 export runs/bees --format onnx --softmax --out bees.onnx', 'probabilities instead of logits')
      .example('$0 export runs/bees --format torchvision', 'runs/bees/model.pth, a state dict for torchvision')
      .example('$0 export runs/bees --format fp16 --json', '{ format, path, bytes, notes }')
      .epilogue(
        'A run directory stands for its best checkpoint. What each format holds: docs/export.md.',
      ) as Argv<ExportArguments>,
  handler: (args) => interruptible((signal) => exportTo(args, signal)),
};

async function exportTo(args: ArgumentsCamelCase<ExportArguments>, signal: AbortSignal): Promise<void> {
  const { exportModel } = await import('../../export/export.js');
  const { readClassNames } = await import('../../inference/class-names.js');
  const { formatBytes } = await import('../../training/feature-cache.js');
  const output = createOutput({ json: args.json === true });
  const { format, out, overwrite, fold, softmax, opset } = args;
  const result = await exportModel(args.model, {
    format,
    ...given({
      out,
      overwrite,
      fold,
      softmax,
      opset,
      classes: args.classes === undefined ? undefined : await readClassNames(args.classes),
      signal,
      onProgress: (done: number, total: number) =>
        output.progress('export', Math.round(done / 2 ** 20), Math.ceil(total / 2 ** 20), 'MB'),
    }),
  });
  output.endProgress();
  for (const { message } of result.notes) output.note(message);
  if (args.json === true) output.json(result);
  else output.print(`Wrote ${result.path}, ${formatBytes(result.bytes)}.`);
}
