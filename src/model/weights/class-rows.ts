import type { Note } from '../../notes.js';
import { listNames } from './table.js';

/** Class names in the order of outputs; `null` where outputs have none. */
export interface ClassNames {
  /** Of the model. */
  readonly wanted: readonly string[] | null;
  /** Of the file. */
  readonly held: readonly string[] | null;
  /** The file's one output is a sigmoid's: the model has two, the class for 0 first. */
  readonly sigmoid?: boolean;
}

/** Which rows of a file's last layer go where in the model's, and what to say of it. */
export interface ClassRows {
  /** For each class of the model the file's row, or -1; `null`: all of them, as they are. Empty: none has its name. */
  readonly rows: readonly number[] | null;
  readonly note: Note | null;
}

/** Matches outputs by class name, never by position where both have names. */
export function classRows({ wanted, held, sigmoid = false }: ClassNames): ClassRows {
  if (sigmoid && wanted !== null) {
    const message = `The one output of the weights is a sigmoid's: 1 is ${listNames(wanted.slice(1))}, 0 is ${listNames(wanted.slice(0, 1))}.`;
    return { rows: [-1, 0], note: { code: 'head-sigmoid', message } };
  }
  if (wanted === null || held === null) return { rows: null, note: wanted === null ? null : byPosition(wanted) };
  if (wanted.length === held.length && wanted.every((name, index) => name === held[index])) {
    return { rows: null, note: null };
  }
  const places = new Map(held.map((name, index) => [name, index]));
  const rows = wanted.map((name) => places.get(name) ?? -1);
  const fresh = wanted.filter((name) => !places.has(name));
  if (fresh.length === wanted.length) {
    return {
      rows: [],
      note: {
        code: 'head-not-loaded',
        message:
          `The head was not loaded and starts from random values: it is of the classes ${listNames(held, 5)}, ` +
          `and the model's are ${listNames(wanted, 5)}.`,
      },
    };
  }
  const count = wanted.length - fresh.length;
  const others = fresh.length === 0 ? '' : `; ${listNames(fresh, 5)} start from random values`;
  return {
    rows,
    note: {
      code: 'head-by-class-name',
      message: `The head's outputs were taken by class name, ${count} of ${wanted.length}${others}.`,
    },
  };
}

function byPosition(wanted: readonly string[]): Note {
  return {
    code: 'head-by-position',
    message:
      `The weights have no class names: their ${wanted.length} outputs are taken for ${listNames(wanted, 5)}, ` +
      'in this order.',
  };
}
