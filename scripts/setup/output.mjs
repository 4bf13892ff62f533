/** What the set-up says while it works: one line a step, and a bar for long ones where a terminal shows it. */

/** Smaller ones are over before a line about them is read. */
const worthTelling = 20e6;

const isTerminal = process.stderr.isTTY === true;

/** @param {string} text */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** @param {string} step @param {string} text */
export function step(step, text) {
  say(`${step.padEnd(12)} ${text}`);
}

/** What must not be passed over: between lines of its own. @param {string} text */
export function warn(text) {
  const line = '!'.repeat(Math.min(100, text.length + 9));
  say(`${line}\nWARNING: ${text}\n${line}`);
}

/** @param {number} milliseconds */
export function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 1 : 0)} s`;
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

/**
 * Progress over a known or unknown number of bytes: a bar on a terminal, elsewhere a line at the start and one at every
 * quarter.
 *
 * @param {string} label
 * @param {number | null} total
 */
export function byteProgress(label, total) {
  let done = 0;
  let quarter = 0;
  let drawn = 0;
  const draw = () => {
    const share = total ? Math.min(1, done / total) : 0;
    const width = 30;
    const bar = total ? `[${'='.repeat(Math.round(share * width)).padEnd(width)}] ` : '';
    process.stderr.write(`\r${label} ${bar}${megabytes(done)}${total ? ` of ${megabytes(total)}` : ''} `);
  };
  return {
    /** @param {number} bytes */
    add(bytes) {
      done += bytes;
      const now = Date.now();
      if (isTerminal) {
        if (now - drawn > 100) {
          drawn = now;
          draw();
        }
      } else if (total && total > worthTelling && Math.floor((done / total) * 4) > quarter) {
        quarter = Math.floor((done / total) * 4);
        say(`${label} ${quarter * 25}% of ${megabytes(total)}`);
      }
    },
    end() {
      if (!isTerminal) return;
      draw();
      process.stderr.write('\n');
    },
  };
}
