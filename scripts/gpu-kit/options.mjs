/** The command line of the kit's `run.sh`, which takes --work for itself. */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** @param {readonly { name: string, does: string }[]} steps */
export function helpOf(steps) {
  const width = Math.max(...steps.map(({ name }) => name.length));
  return `bash run.sh [options]

Builds resnet-torch against the PyTorch of this machine, checks it and measures it. No network is used.

  --out FOLDER            results, as they come; default resnet-torch-gpu-results
  --work FOLDER           where it is unpacked and built; default below the system's temporary folder
  --python FILE           the Python that has PyTorch; default the first of the usual ones that has
  --minutes N             for all steps together; default 9. Each has a limit of its own too
  --patience N            multiplies the limits of the steps, which are for 16 cores; default 1
  --only S[,S]            these steps, and those that they need
  --skip S[,S]            all steps but these
  --architectures N[,N]   compute capabilities to build for, as 90; default those of the devices here
  --jobs N                compilers at a time; default as many as cores and memory allow
  --images N              photographs to train on in the benchmark; default 16384
  --help                  this text

Steps, in their order:

${steps.map(({ name, does }) => `  ${name.padEnd(width)}  ${does}`).join('\n')}`;
}

/**
 * @param {readonly string[]} args
 * @param {readonly string[]} names of steps
 * @throws {RangeError | TypeError} for what is not understood
 */
export function parseOptions(args, names) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      out: { type: 'string', default: 'resnet-torch-gpu-results' },
      python: { type: 'string' },
      minutes: { type: 'string', default: '9' },
      patience: { type: 'string', default: '1' },
      only: { type: 'string' },
      skip: { type: 'string' },
      architectures: { type: 'string' },
      jobs: { type: 'string' },
      images: { type: 'string', default: '16384' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const architectures = values.architectures?.split(',');
  if (architectures?.some((text) => !/^\d{2,3}$/.test(text)))
    throw new RangeError(`--architectures takes numbers such as 90, not ${JSON.stringify(values.architectures)}.`);
  return {
    out: resolve(values.out),
    python: values.python,
    seconds: 60 * positive('minutes', values.minutes),
    patience: positive('patience', values.patience),
    only: stepsOf('only', values.only, names),
    skip: stepsOf('skip', values.skip, names),
    architectures,
    jobs: values.jobs === undefined ? undefined : whole('jobs', values.jobs),
    images: whole('images', values.images),
    help: values.help,
  };
}

/** @param {string} option @param {string | undefined} text @param {readonly string[]} names */
function stepsOf(option, text, names) {
  const wanted = text?.split(',');
  const unknown = wanted?.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new RangeError(`--${option} takes ${names.join(', ')}, not ${JSON.stringify(unknown)}.`);
  return wanted;
}

/** @param {string} name @param {string} text */
function positive(name, text) {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new RangeError(`--${name} takes a number above 0, not ${JSON.stringify(text)}.`);
}

/** @param {string} name @param {string} text */
function whole(name, text) {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1)
    throw new RangeError(`--${name} takes whole numbers from 1 up, not ${JSON.stringify(text)}.`);
  return value;
}
