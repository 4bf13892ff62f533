/** Machines in words, and beside each other in a table. */

/** @typedef {import('./machine.mjs').Machine} Machine */

/** @param {number} rate operations a second */
const gflops = (rate) => String(Math.round(rate / 1e9));

/** A name for a line of a table: `AMD family 25 model 17`. @param {Machine} machine */
export function shortName({ processor: { name, vendor, family, model } }) {
  return family === null ? name : `${vendor} family ${family} model ${model}`;
}

/** @param {Machine} machine */
export function describeInWords(machine) {
  const { processor, memoryGiB, rates, freshPageMicroseconds } = machine;
  const limits =
    rates === null
      ? ''
      : `; matrix products on ${processor.cores} threads: bf16 ${gflops(rates.bf16.all)}, fp32 ${gflops(rates.fp32.all)} GFLOP/s`;
  const page = freshPageMicroseconds === null ? '' : `; a fresh page ${freshPageMicroseconds.toFixed(2)} µs`;
  return `${shortName(machine)}, ${processor.cores} cores, ${memoryGiB} GiB${limits}${page}`;
}

/** @param {readonly import('./results.mjs').OfMachine[]} all */
export function machinesTable(all) {
  const lines = [
    '| machine | cores, memory | caches | instruction sets | bf16 GFLOP/s: one thread, all | fp32 GFLOP/s: one thread, all | a fresh page of 4 KiB |',
    '|---|---|---|---|---|---|---|',
  ];
  for (const { machine } of all) {
    const { processor, memoryGiB, rates, freshPageMicroseconds } = machine;
    const rate = (/** @type {'bf16' | 'fp32'} */ kind) => {
      if (rates === null) return 'not measured';
      const { one, all: every } = rates[kind];
      return `${one === null ? 'not recorded' : gflops(one)}, ${gflops(every)}`;
    };
    lines.push(
      `| ${shortName(machine)} | ${processor.cores}, ${memoryGiB} GiB | ${processor.caches.join(', ') || 'not recorded'} | ` +
        `${processor.instructionSets.join(' ') || 'not recorded'} | ${rate('bf16')} | ${rate('fp32')} | ` +
        `${freshPageMicroseconds === null ? 'not recorded' : `${freshPageMicroseconds.toFixed(2)} µs`} |`,
    );
  }
  return lines.join('\n');
}

/** Releases that figures were taken with, and when. @param {import('./results.mjs').OfMachine} ofMachine */
export function conditionsList({ machine, rows, scaling }) {
  /** @type {Map<string, string[]>} */
  const seen = new Map();
  for (const { conditions, date, notRun } of [...Object.values(rows), ...Object.values(scaling)]) {
    if (notRun !== null) continue;
    const versions = Object.entries(conditions.versions).map(([name, version]) => `${name} ${version}`);
    const text = `${shortName(machine)}, ${conditions.system}: ${versions.join(', ')}`;
    seen.set(text, [...(seen.get(text) ?? []), date.slice(0, 10)]);
  }
  return [...seen].map(([text, dates]) => `- ${text} (${[...new Set(dates)].sort().join(', ')})`).join('\n');
}
