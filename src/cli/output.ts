import { showPath } from '../data/path-bytes.js';

/** How a command speaks: results on standard output, everything else on standard error. */
export interface Output {
  /** A line for people. With `--json` it goes to standard error, so that standard output holds JSON alone. */
  print(text: string): void;
  /** A line for people about the work, never part of the result. */
  note(text: string): void;
  /** A value as one line of JSON on standard output. */
  json(value: unknown): void;
  /**
   * Moves the bar of the task at hand; `detail` is set behind it. `total` may be 0 while it is unknown. A terminal's bar
   * is drawn now and then, or at once where `must` says so.
   */
  progress(task: string, done: number, total: number, detail?: string, must?: boolean): void;
  /** Takes the bar away. */
  endProgress(): void;
}

/** What this module needs of `process.stdout` and `process.stderr`. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface OutputOptions {
  readonly json?: boolean;
  readonly stdout?: Sink;
  readonly stderr?: Sink;
  readonly now?: () => number;
}

/** Milliseconds between two drawings of a bar, and between two plain lines where there is no terminal. */
const DRAW_EVERY = 100;
const LINE_EVERY = 10_000;

export function createOutput(o: OutputOptions = {}): Output {
  const stdout = o.stdout ?? process.stdout;
  const stderr = o.stderr ?? process.stderr;
  const now = o.now ?? Date.now;
  const terminal = stderr.isTTY === true;
  let task = '';
  let last = 0;
  let drawn = false;

  const clear = (): void => {
    if (drawn) stderr.write('\r\u001b[2K');
    drawn = false;
  };
  const line = (sink: Sink, text: string): void => {
    clear();
    sink.write(`${showPath(text)}\n`);
  };

  return {
    print: (text) => line(o.json === true ? stderr : stdout, text),
    note: (text) => line(stderr, text),
    json: (value) => line(stdout, JSON.stringify(value)),
    progress(name, done, total, detail = '', must = false) {
      const time = now();
      if (name !== task) {
        task = name;
        // A short task needs no plain line; a bar is drawn at once.
        last = terminal ? 0 : time;
      }
      const isSoon = time - last < (terminal ? DRAW_EVERY : LINE_EVERY);
      if (isSoon && !(must && terminal)) return;
      last = time;
      if (terminal) {
        stderr.write(`\r\u001b[2K${bar(name, done, total, detail, (stderr.columns || 80) - 1)}`);
        drawn = true;
      } else {
        stderr.write(`${name} ${share(done, total)}${detail === '' ? '' : `  ${detail}`}\n`);
      }
    },
    endProgress() {
      clear();
      task = '';
    },
  };
}

/** One line of `columns` characters at most, such as `epoch 1  ██████──────  12/24  loss 0.61`. */
export function bar(name: string, done: number, total: number, detail: string, columns: number): string {
  const tail = `  ${share(done, total)}${detail === '' ? '' : `  ${detail}`}`;
  const room = Math.min(30, columns - name.length - tail.length - 2);
  if (room < 5) return `${name}${tail}`.slice(0, columns);
  const full = total > 0 ? Math.min(room, Math.floor((done / total) * room)) : 0;
  return `${name}  ${'█'.repeat(full)}${'─'.repeat(room - full)}${tail}`;
}

function share(done: number, total: number): string {
  return total > 0 ? `${done}/${total}` : `${done}`;
}
