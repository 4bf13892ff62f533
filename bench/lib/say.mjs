/** Progress goes to standard error; standard output is for results. @param {string} text */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toPrecision(seconds < 0.1 ? 2 : 3)} s`;
  if (seconds < 600) return `${seconds.toFixed(seconds < 100 ? 1 : 0)} s`;
  return `${(seconds / 60).toFixed(1)} min`;
}
