#!/usr/bin/env node
/** The kit's steps, one after another, each within its time; started by `run.sh` on the machine that they are for. */

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { helpOf, parseOptions } from './options.mjs';
import { root } from './places.mjs';
import { killRunning } from './run-command.mjs';
import { steps } from './steps.mjs';
import { line, writeSummary } from './summary.mjs';

/** Lies where a kit was unpacked. In a clone the steps would take the place of what set-up has made. */
const contents = join(root, 'CONTENTS.json');

/** With less time left than this, nothing is begun. */
const leastSeconds = 5;

/** @typedef {import('./steps.mjs').Step} Step */
/** @typedef {import('./summary.mjs').Outcome} Outcome */

/** Those that are asked for, and what they need. @param {ReturnType<typeof parseOptions>} options */
function chosen({ only, skip }) {
  const wanted = new Set(only ?? steps.map(({ name }) => name));
  for (const { name, needs } of [...steps].reverse()) if (wanted.has(name)) for (const need of needs) wanted.add(need);
  for (const name of skip ?? []) wanted.delete(name);
  return wanted;
}

/** @param {ReturnType<typeof parseOptions>} options */
async function run(options) {
  const begun = Date.now();
  const wanted = chosen(options);
  mkdirSync(options.out, { recursive: true });
  const log = openSync(join(options.out, 'log.txt'), 'a');
  const kit = JSON.parse(readFileSync(contents, 'utf8')).about;
  const unpacked = Number(process.env.RESNET_TORCH_KIT_UNPACKED ?? 0);
  /** @type {Record<string, unknown>} */
  const facts = { unpacked: `in ${unpacked} s` };
  /** @type {Outcome[]} */
  const outcomes = [];
  const elapsed = () => (Date.now() - begun) / 1000 + unpacked;
  const tell = () => {
    const time = { started: new Date(begun).toISOString(), seconds: elapsed(), limit: options.seconds };
    writeSummary(options.out, { kit, ...time, facts, steps: outcomes });
  };
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.on(signal, () => {
      killRunning();
      for (const outcome of outcomes) if (outcome.status === 'running') outcome.status = 'stopped';
      tell();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    });
  }
  for (const step of steps) {
    const { name, does } = step;
    const limit = step.seconds * options.patience;
    /** @type {Outcome} */
    const outcome = { name, does, status: 'running', rc: null, seconds: 0, limit, note: '' };
    outcomes.push(outcome);
    const missing = step.needs.find((need) => outcomes.find((other) => other.name === need)?.status !== 'ok');
    const left = options.seconds - elapsed();
    if (!wanted.has(name)) Object.assign(outcome, { status: 'not run', note: 'left out' });
    else if (missing !== undefined) Object.assign(outcome, { status: 'not run', note: `needs ${missing}` });
    else if (left < leastSeconds) Object.assign(outcome, { status: 'not run', note: 'no time was left' });
    else {
      outcome.limit = Math.min(limit, left);
      writeSync(log, `\n===== ${name}: ${does}; at most ${outcome.limit.toFixed(0)} s\n`);
      tell();
      const start = Date.now();
      try {
        Object.assign(outcome, await step.run({ options, facts, log, seconds: outcome.limit }));
      } catch (error) {
        Object.assign(outcome, { status: 'failed', note: error instanceof Error ? error.message : String(error) });
      }
      outcome.seconds = (Date.now() - start) / 1000;
      writeSync(log, `===== ${line(outcome)}\n`);
    }
    process.stderr.write(`${line(outcome)}\n`);
    tell();
  }
  closeSync(log);
  process.stderr.write(`Written to ${options.out}\n`);
  process.exitCode = outcomes.some(({ status }) => status === 'failed' || status === 'stopped') ? 1 : 0;
}

/** @type {ReturnType<typeof parseOptions> | undefined} */
let options;
try {
  options = parseOptions(
    process.argv.slice(2),
    steps.map(({ name }) => name),
  );
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\nSee bash run.sh --help.\n`);
  process.exitCode = 2;
}
if (options !== undefined && !existsSync(contents)) {
  process.stderr.write('This is for a kit that was unpacked, and is started by its run.sh.\n');
  process.exitCode = 2;
} else if (options?.help) process.stdout.write(`${helpOf(steps)}\n`);
else if (options !== undefined) await run(options);
