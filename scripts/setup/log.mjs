// What set-up says: plain lines, and a bar that redraws itself on a terminal. All of it goes to standard error.

const terminal = process.stderr.isTTY === true;
let drawn = false;

/** @param {string} text */
export function say(text) {
  endBar();
  process.stderr.write(`${text}\n`);
}

let lastTenth = -1;

/**
 * @param {string} what
 * @param {number} done
 * @param {number | null} total null where it is not known
 */
export function bar(what, done, total) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
  if (terminal) {
    const width = 30;
    const filled = total ? Math.round((done / total) * width) : 0;
    const picture = total ? `[${'#'.repeat(filled)}${' '.repeat(width - filled)}] ` : '';
    process.stderr.write(`\r${what} ${picture}${megabytes(done)}${total ? ` of ${megabytes(total)}` : ''} MB `);
    drawn = true;
    return;
  }
  const tenth = total ? Math.floor((done / total) * 10) : Math.floor(done / 5e7);
  if (tenth === lastTenth) return;
  lastTenth = tenth;
  process.stderr.write(`${what} ${megabytes(done)}${total ? ` of ${megabytes(total)}` : ''} MB\n`);
}

export function endBar() {
  if (drawn) process.stderr.write('\n');
  drawn = false;
  lastTenth = -1;
}

/** A failure that is told as a message, without a stack. */
export class SetupError extends Error {}
