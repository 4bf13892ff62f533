#!/usr/bin/env node
/** `npm run bench`: see --help, and docs/benchmarks.md. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { interruptible } from './lib/interrupt.mjs';
import { help, parseOptions } from './lib/options.mjs';
import { bench, work } from './lib/places.mjs';
import { rows, scalingNames } from './lib/rows.mjs';
import { duration, say } from './lib/say.mjs';

/** @typedef {import('./lib/options.mjs').Options} Options */

/** @typedef {import('./lib/rows.mjs').Row} Row */
/** @typedef {import('./lib/rows.mjs').TrainingRow} TrainingRow */

/**
 * What is run together: rows of one job that take as many epochs, and every other row by itself.
 *
 * @param {Options} options
 */
function inGroups({ chosen, epochs: usual, peerEpochs }) {
  /** @type {{ key: string, rows: [Row, ...Row[]], epochs: number }[]} */
  const groups = [];
  for (const row of chosen.rows) {
    const isLong = row.kind === 'training' && (row.peer === 'keras' || row.name.endsWith('/tutorial'));
    const epochs = isLong ? peerEpochs : usual;
    const key = row.kind === 'training' ? `${row.job} ${epochs}` : row.name;
    const there = groups.find((group) => group.key === key);
    if (there) there.rows.push(row);
    else groups.push({ key, rows: [row], epochs });
  }
  return groups;
}

/** @param {Options} options @param {AbortSignal} signal */
async function prepare(options, signal) {
  const { buildProject, providePeers } = await import('./lib/environment.mjs');
  await buildProject(signal);
  // What these import is there only now.
  const { provideMaterial } = await import('./lib/data.mjs');
  const { describeInWords } = await import('./lib/machines-table.mjs');
  const { describeConditions, describeMachine } = await import('./lib/machine.mjs');
  const wanted = new Set(options.chosen.rows.flatMap(({ peer }) => (peer === null ? [] : [peer])));
  if (options.chosen.scaling.length > 0) wanted.add('torchvision');
  const peers = await providePeers([...wanted], signal);
  const material = await provideMaterial({ images: options.images, signal });
  const conditions = await describeConditions(signal);
  if (conditions.load > 0.5)
    say(`This machine is busy (load ${conditions.load}): trust the ratios more than the times.`);
  const machine = await describeMachine(signal);
  say(`machine      ${describeInWords(machine)}`);
  return { peers, material, machine, conditions };
}

/** @param {Options} options @param {AbortSignal} signal */
async function run(options, signal) {
  const start = Date.now();
  const prepared = await prepare(options, signal);
  const { runJob, runRow } = await import('./lib/pairs.mjs');
  const { runCurves } = await import('./lib/scaling.mjs');
  const { mergeResults, readResults, writeResults } = await import('./lib/results.mjs');
  const { remarksOf, renderResults } = await import('./lib/report.mjs');
  const { drawChart } = await import('./lib/plot.mjs');

  const folder = options.quick ? join(work, 'quick') : bench;
  const file = join(folder, 'results.json');
  const page = join(folder, 'RESULTS.md');
  const plots = join(folder, 'plots', prepared.machine.id);
  mkdirSync(plots, { recursive: true });
  /** @param {Parameters<typeof mergeResults>[2]} fresh */
  const keep = (fresh) => {
    const results = mergeResults(readResults(file), prepared.machine, fresh);
    writeResults(file, results);
    for (const curves of fresh.scaling ?? []) {
      if (curves.notRun === null) writeFileSync(join(plots, `${curves.name}.svg`), drawChart(curves));
    }
    const remarks = existsSync(page) ? remarksOf(readFileSync(page, 'utf8')) : '';
    writeFileSync(page, renderResults(results, remarks));
  };

  const amounts = options.quick
    ? { size: 64, resize: 73, batch: 8, seconds: 0.5, passes: 1, starts: 2, load: 2, overload: 5 }
    : { size: 224, resize: 256, batch: 32, seconds: 10, passes: 3, starts: 10, load: 10, overload: 300 };
  const plan = { ...prepared, repeats: options.repeats, amounts, signal };
  const outcomes = [];
  for (const group of inGroups(options)) {
    const [row] = group.rows;
    const fresh =
      row.kind === 'training'
        ? await runJob(/** @type {TrainingRow[]} */ (group.rows), { ...plan, epochs: group.epochs })
        : [await runRow(row, { ...plan, epochs: group.epochs })];
    for (const { name, notRun, ratio } of fresh) {
      if (notRun !== null) say(`${name.padEnd(28)} NOT RUN: ${notRun}`);
      else if (ratio) say(`${name.padEnd(28)} ${ratio.median.toFixed(2)}×`);
    }
    outcomes.push(...fresh);
    keep({ rows: fresh });
  }
  const scaling = [];
  for (const name of options.chosen.scaling) {
    const curves = await runCurves(name, { ...plan, epochs: options.epochs }, options.quick);
    if (curves.notRun !== null) say(`scaling/${name} NOT RUN: ${curves.notRun}`);
    scaling.push(curves);
    keep({ scaling: [curves] });
  }
  say(`\nWritten to ${page}, in ${duration((Date.now() - start) / 1000)}.`);
  if (options.json) process.stdout.write(`${JSON.stringify({ rows: outcomes, scaling })}\n`);
}

/** @type {Options | undefined} */
let options;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  say(`${error instanceof Error ? error.message : error}\nSee npm run bench -- --help.`);
  process.exitCode = 2;
}
if (options?.help) process.stdout.write(`${help}\n`);
else if (options?.list) {
  process.stdout.write(
    `${[...rows.map(({ name }) => name), ...scalingNames.map((name) => `scaling/${name}`)].join('\n')}\n`,
  );
} else if (options !== undefined) {
  const chosen = options;
  await interruptible((signal) => run(chosen, signal));
}
