#!/usr/bin/env node
/** Writes docs/options.md from the option table: `node scripts/docs/options.mjs`, after `npm run build:typescript`. */

import { writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { flagOf, GROUPS } from '../../dist/src/cli/flags.js';
import { OPTIMIZER_RULES, optimizers } from '../../dist/src/optim/optimizers.js';
import { describeRange } from '../../dist/src/option-text.js';
import { OPTION_ROWS } from '../../dist/src/training/option-values.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export const PAGE = join(root, 'docs', 'options.md');

const HEAD = `# Every option of a training run

<!-- Written by scripts/docs/options.mjs from src/training/option-table.ts. -->

The options of \`train()\` in TypeScript and of the command \`train\`. Both are checked by the same table, which this page is made
from: an unknown option is an error that names the nearest one, and so is a value out of range. What a group means is told in
[fine-tuning](fine-tuning.md), [data](data.md) and [cache](cache.md).

- *Default*: what holds without it. Where there is none, the strategy decides.
- *In TypeScript*: where it is given. Those of \`ResNet.create()\` and \`openDataset()\` make what \`train()\` is called with; \`–\` is an
  option of the command alone. \`train()\` writes nothing without \`out\`.
- *With \`--resume\`*: a run that goes on keeps its own settings. \`own\`: the option is refused. \`the same\`: it may be
  given if it is what the run has. \`free\`: it may be another than before.
  \`data\`: \`train()\` refuses it; the command takes it to open the same data again.
`;

/** @type {Readonly<Record<string, string>>} */
const GIVEN_TO = {
  model: 'ResNet.create()',
  data: 'openDataset()',
  command: '–',
};
/** @type {Readonly<Record<string, string>>} */
const SPELLED = {
  freezeUntil: "`freeze: { until: 'layer3' }`",
  freezeFraction: '`freeze: { fraction: 0.5 }`',
  freezeMatch: '`freeze: { match: /bn/ }`',
  head: '`head: { hidden }` of ResNet.create()',
  dropout: '`head: { dropout }` of ResNet.create()',
};
const RESUME = { kept: 'own', same: 'the same', free: 'free', excluded: 'refused', data: 'data' };

/** @typedef {(typeof OPTION_ROWS)[number]} Entry */

/** @param {string} text */
const cell = (text) => text.replaceAll('|', '\\|');

/** @param {Entry} entry */
function inTypeScript([name, { part }]) {
  if (SPELLED[name] !== undefined) return SPELLED[name];
  const to = GIVEN_TO[part];
  if (to === undefined) return `\`${name}\``;
  return to === '–' ? to : `\`${name}\` of ${to}`;
}

/** @param {Entry} entry */
function row([name, option]) {
  const { type, help, otherwise, resume, noFlag } = option;
  const fixed = option.default;
  const cells = [
    noFlag === undefined ? `\`--${flagOf(name)}\`` : `none: ${noFlag}`,
    inTypeScript([name, option]),
    type.takes,
    fixed === undefined ? (otherwise ?? '') : String(fixed),
    RESUME[resume],
    help,
  ];
  return `| ${cells.map(cell).join(' | ')} |`;
}

/** What the optimizers have of their own, after the options that name them. */
const OPTIMIZERS = `## Optimizers

What \`--optimizer\` names, \`optimizers.*\` makes and \`--optimizer-options\` sets (\`optimizerOptions\` in TypeScript), such as
\`--optimizer rmsprop --optimizer-options momentum=0.9,centered=true\`. In TypeScript \`beta1\` and \`beta2\` are one option,
\`betas: [0.9, 0.999]\`. Rates and weight decay belong to the parameter groups. Weight decay that is *coupled* is added to the gradient;
*decoupled* it shrinks the weight by the rate. *State* is what each trained weight takes beside itself and its gradient, in float32.

| \`--optimizer\` | In TypeScript | Arithmetic | Weight decay | State | Settings and their defaults |
|---|---|---|---|---|---|
`;

/** Every mixture of switches, with a momentum and without. @param {(typeof OPTIMIZER_RULES)[number]} rule */
function mixtures(rule) {
  /** @type {Record<string, number | boolean>[]} */
  let all = [{}];
  for (const [name, setting] of Object.entries(rule.settings)) {
    const values =
      typeof setting.default === 'boolean' ? [false, true] : name === 'momentum' ? [0, 0.9] : [setting.default];
    all = all.flatMap((each) => values.map((value) => ({ ...each, [name]: value })));
  }
  return all;
}

/** @param {(typeof OPTIMIZER_RULES)[number]} rule */
function optimizerRow(rule) {
  const named = Object.entries(optimizers).find(([, make]) => make().kind === rule.kind);
  const settings = Object.entries(rule.settings).map(([name, setting]) => {
    const takes = 'range' in setting ? describeRange(setting.range) : 'true or false';
    return `\`${name}\` ${setting.default} (${takes})`;
  });
  const defaults = Object.fromEntries(Object.entries(rule.settings).map(([name, setting]) => [name, setting.default]));
  const bytes = mixtures(rule).map((each) => 4 * rule.tensorsOfState(each));
  const [own, least, most] = [4 * rule.tensorsOfState(defaults), Math.min(...bytes), Math.max(...bytes)];
  const cells = [
    `\`${rule.kind}\``,
    `\`optimizers.${named?.[0]}()\``,
    `\`${rule.reference}\``,
    `${rule.decay}${rule.usualWeightDecay === undefined ? '' : `; ${rule.usualWeightDecay} in the place of another`}`,
    `${own} bytes${least === most ? '' : ` (${least} to ${most})`}`,
    settings.join('; '),
  ];
  return `| ${cells.map(cell).join(' | ')} |\n`;
}

/** The page as it should be. */
export function optionsPage() {
  const groups = Object.entries(GROUPS).map(([group, title]) => {
    // What has no group of its own is said with the run.
    const rows = OPTION_ROWS.filter(([, option]) => (option.group ?? 'run') === group).map(row);
    return [
      `## ${title.replace(/:$/, '')}`,
      '',
      '| On the command line | In TypeScript | Takes | Default | With `--resume` | What it does |',
      '|---|---|---|---|---|---|',
      ...rows,
      '',
    ].join('\n');
  });
  return `${HEAD}\n${groups.join('\n')}\n${OPTIMIZERS}${OPTIMIZER_RULES.map(optimizerRow).join('')}`;
}

if (argv[1] !== undefined && resolve(argv[1]) === fileURLToPath(import.meta.url)) writeFileSync(PAGE, optionsPage());
