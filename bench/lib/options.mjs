/** The command line of `npm run bench`. */

import { parseArgs } from 'node:util';
import { choose } from './rows.mjs';

export const help = `npm run bench -- [options]

Times this package against the scripts that its users would write otherwise, pair by pair on this machine, and writes
bench/RESULTS.md, bench/results.json and bench/plots/. Installs what it needs below .cache/.

  --only NAME[,NAME]   rows and curves to run: a job (differential), a row (differential/best), table, scaling,
                       scaling/frozen, …; the others keep the figures that they have
  --repeats N          pairs of each row; default 3
  --epochs N           epochs of the training rows, on both sides; default 10
  --peer-epochs N      the same for the rows whose peer takes longest (Keras and the tutorial), on both sides; the row
                       says how many were run. Default: as --epochs
  --images N           drawn photographs to train on, in place of what lies beside the project
  --quick              tiny sizes and one pair, to prove that everything runs; results go to .cache/bench/quick
  --list               the names that --only knows
  --json               print the results that were taken as JSON
  --help               this text

  npm run bench                                            everything
  npm run bench -- --only loading,prediction,start         a few minutes
  npm run bench -- --only decoding                         what one core decodes, by size, quality and kind
  npm run bench -- --only serve                            serving, and five minutes of overload
  npm run bench -- --only feature-extraction/best          one row, 10 epochs, 3 pairs
  npm run bench -- --only table --peer-epochs 2            the whole table, long peers for two epochs
  npm run bench -- --quick                                 a trial`;

/** @typedef {ReturnType<typeof parseOptions>} Options */

/**
 * @param {readonly string[]} args
 * @throws {RangeError | TypeError} for what is not understood
 */
export function parseOptions(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      repeats: { type: 'string' },
      epochs: { type: 'string' },
      'peer-epochs': { type: 'string' },
      images: { type: 'string' },
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const { quick, list, json } = values;
  const epochs = count('epochs', values.epochs, 1) ?? (quick ? 2 : 10);
  return {
    help: values.help,
    quick,
    list,
    json,
    chosen: choose(values.only),
    repeats: count('repeats', values.repeats, 1) ?? (quick ? 1 : 3),
    epochs,
    peerEpochs: count('peer-epochs', values['peer-epochs'], 1) ?? epochs,
    // Two classes in each part, and no batch of one.
    images: count('images', values.images, 8) ?? (quick ? 24 : undefined),
  };
}

/** @param {string} name @param {string | undefined} text @param {number} least */
function count(name, text, least) {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least) {
    throw new RangeError(`--${name} takes a whole number of ${least} or more, not ${JSON.stringify(text)}.`);
  }
  return value;
}
