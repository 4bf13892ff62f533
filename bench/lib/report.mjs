/** The page of results. */

import { jobs, rows, scalingNames } from './rows.mjs';
import { duration } from './say.mjs';
import { median } from './statistics.mjs';

/** @typedef {import('./results.mjs').Results} Results */
/** @typedef {import('./pairs.mjs').Outcome} Outcome */
/** @typedef {import('./rows.mjs').Row} Row */

/** @param {number} value */
const ratio = (value) => `${value >= 10 ? value.toFixed(1) : value.toFixed(2)}×`;

/** @param {import('./statistics.mjs').Ratio} r */
const spread = (r) => `${ratio(r.min)} to ${ratio(r.max)}`;

/** @param {string} text one cell's worth */
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** @param {number | null} target @param {import('./statistics.mjs').Ratio} r */
function verdict(target, r) {
  if (target === null) return '';
  return r.median >= target ? `${target}×, kept` : `${target}×, **missed**`;
}

/** @param {readonly number[] | undefined} values */
const accuracy = (values) => (values === undefined ? '' : median(values).toFixed(3));

/** @param {Results} results */
function trainingTable(results) {
  const lines = [
    '| job | against | epochs | ours | peer | ratio | spread | to beat | top-1: ours, peer | taken |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ];
  for (const row of rows) {
    if (row.kind !== 'training') continue;
    const outcome = results.rows[row.name];
    const start = `| ${row.name.split('/')[0]} | ${row.against} |`;
    if (outcome?.ratio === undefined) lines.push(`${start} ${notRun(outcome)} | | | | | ${row.target ?? ''} | | |`);
    else {
      const { ours = [], peer = [], setting, date } = outcome;
      lines.push(
        `${start} ${setting?.epochs} | ${duration(median(ours))} | ${duration(median(peer))} | **${ratio(outcome.ratio.median)}** | ` +
          `${spread(outcome.ratio)} | ${verdict(row.target, outcome.ratio)} | ` +
          `${accuracy(outcome.oursTop1)}, ${accuracy(outcome.peerTop1)} | ${date.slice(0, 10)} |`,
      );
    }
  }
  return lines.join('\n');
}

/** @param {Results} results */
function figureTable(results) {
  const lines = [
    '| what | against | ours | peer | ratio | spread | to beat | taken |',
    '|---|---|---|---|---|---|---|---|',
  ];
  for (const row of rows) {
    if (row.kind === 'training' || row.kind === 'serving') continue;
    const outcome = results.rows[row.name];
    const start = `| ${row.what} | ${row.against} |`;
    const figure = row.kind === 'start' ? duration : (/** @type {number} */ value) => `${value.toFixed(1)} img/s`;
    if (outcome?.ours === undefined) {
      lines.push(`${start} ${notRun(outcome)} | | | | ${row.target ?? ''} | |`);
      continue;
    }
    const own = median(outcome.ours);
    const beside =
      outcome.ratio === undefined
        ? `| | | ${row.name === 'start/help' ? (own <= helpBound ? 'kept' : '**missed**') : ''}`
        : `${figure(median(outcome.peer ?? []))} | **${ratio(outcome.ratio.median)}** | ${spread(outcome.ratio)} | ${verdict(row.target, outcome.ratio)}`;
    lines.push(`${start} ${figure(own)} | ${beside} | ${outcome.date.slice(0, 10)} |`);
  }
  return lines.join('\n');
}

const helpBound = 0.2;

/** @param {Results} results */
function memoryTable(results) {
  const lines = [
    '| job | ours | torchvision, best known settings | ours of theirs | to keep |',
    '|---|---|---|---|---|',
  ];
  for (const job of Object.keys(jobs)) {
    const { oursPeakBytes: ours = [], peerPeakBytes: peer = [] } = results.rows[`${job}/best`] ?? {};
    if (ours.length === 0 || peer.length === 0) {
      lines.push(`| ${job} | not measured | | | 1.0 |`);
      continue;
    }
    const share = median(ours) / median(peer);
    const gib = (/** @type {number} */ bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
    lines.push(
      `| ${job} | ${gib(median(ours))} | ${gib(median(peer))} | **${share.toFixed(2)}** | at most 1.0, ${share <= 1 ? 'kept' : '**missed**'} |`,
    );
  }
  return lines.join('\n');
}

/** @param {Results} results */
function servingTable(results) {
  const rate = (/** @type {readonly number[]} */ values) => `${median(values).toFixed(1)}/s`;
  const milliseconds = (/** @type {readonly number[]} */ values) => `${median(values).toFixed(0)} ms`;
  const lines = [
    '| what | against | ours | peer | ratio | spread | to beat | p99: ours, peer | taken |',
    '|---|---|---|---|---|---|---|---|---|',
  ];
  for (const row of rows) {
    if (row.kind !== 'serving') continue;
    const outcome = results.rows[row.name];
    const start = `| ${row.what} | ${row.against} |`;
    if (outcome?.ours === undefined) {
      lines.push(`${start} ${notRun(outcome)} | | | | ${row.target ?? ''} | | |`);
      continue;
    }
    const { ours, oursP99 = [], peer = [], peerP99 = [], ratio: r, overload } = outcome;
    const beside =
      r === undefined
        ? `| | | ${overload?.failures === 0 ? 'kept' : '**missed**'} | ${milliseconds(oursP99)}`
        : `${rate(peer)} | **${ratio(r.median)}** | ${spread(r)} | ${verdict(row.target, r)} | ${milliseconds(oursP99)}, ${milliseconds(peerP99)}`;
    lines.push(`${start} ${rate(ours)} | ${beside} | ${outcome.date.slice(0, 10)} |`);
  }
  return lines.join('\n');
}

/** @param {Results} results */
function overloadSentence(results) {
  const { overload } = results.rows['serve/overload'] ?? {};
  if (overload === undefined) return '';
  const { seconds, bearable, offered, statuses, failures } = overload;
  const answers = Object.entries(statuses).map(([status, count]) => `${count} with ${status}`);
  return (
    `\n\nAt ${offered.toFixed(1)} requests a second, twice the ${bearable.toFixed(1)} that it can bear, for ${duration(seconds)}: answered were ` +
    `${answers.join(', ')}; ${failures} failed otherwise. The p99 is that of the answers with 200.`
  );
}

/** @param {Outcome | undefined} outcome */
function notRun(outcome) {
  return outcome === undefined ? 'not run' : `not run: ${cell(outcome.notRun ?? '')}`;
}

/** @param {Results} results */
function scalingSection(results) {
  const parts = [];
  for (const name of scalingNames) {
    const curves = results.scaling[name];
    if (curves === undefined || curves.notRun !== null) {
      parts.push(`### ${name}\n\nNot run${curves === undefined ? '' : `: ${curves.notRun}`}.`);
      continue;
    }
    const xs = [...new Set(curves.series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
    const header = `| ${curves.x} | ${curves.series.map(({ label }) => cell(label)).join(' | ')} |`;
    const rule = `|${'---|'.repeat(curves.series.length + 1)}`;
    const body = xs.map((x) => {
      const values = curves.series.map(({ points }) => points.find(([at]) => at === x)?.[1]);
      return `| ${curves.ticks?.[x] ?? x} | ${values.map((value) => (value === undefined ? '' : value.toPrecision(3))).join(' | ')} |`;
    });
    parts.push(
      `### ${curves.title}\n\n${curves.note} Taken ${curves.date.slice(0, 10)}.\n\n![${curves.title}](plots/${name}.svg)\n\n` +
        `${curves.y}:\n\n${[header, rule, ...body].join('\n')}`,
    );
  }
  return parts.join('\n\n');
}

/** @param {Results} results */
function machines(results) {
  const seen = new Map();
  for (const { machine, date, notRun } of [...Object.values(results.rows), ...Object.values(results.scaling)]) {
    if (notRun !== null) continue;
    const versions = Object.entries(machine.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ');
    const text = `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}; ${versions}`;
    seen.set(text, [...(seen.get(text) ?? []), date.slice(0, 10)]);
  }
  if (seen.size === 0) return 'Nothing was run yet.';
  return [...seen].map(([text, dates]) => `- ${text} (${[...new Set(dates)].sort().join(', ')})`).join('\n');
}

const remarksBegin = '<!-- remarks: written by hand, and kept -->';

/** What people wrote at the end of the page: why a row falls short, what was tried. @param {string} page */
export function remarksOf(page) {
  return page.split(remarksBegin)[1]?.trim() ?? '';
}

/** @param {Results} results @param {string} [remarks] @returns {string} Markdown */
export function renderResults(results, remarks = '') {
  const settings = new Set(
    rows
      .filter(({ kind }) => kind === 'training')
      .flatMap(({ name }) => {
        const setting = results.rows[name]?.setting;
        return setting === undefined
          ? []
          : [`${setting.images} images, weights ${setting.checkpoint}, ${setting.size} px, batch ${setting.batch}`];
      }),
  );
  return `# Results of the benchmark

Written by \`npm run bench\`; [docs/benchmarks.md](../docs/benchmarks.md) says what is run and why it is fair. Figures are
medians; a ratio is the median of those of single pairs, the spread their lowest and highest. Above 1× ours is better.

${machines(results)}

## Training, the whole process

${[...settings].join('; ') || 'Nothing was run yet.'}. Evaluation after every epoch, the best checkpoint written, start and end of the process included.
Both sides of a row run as many epochs as it says.

${trainingTable(results)}

## Memory

Proportional set sizes of the process and its children, at their highest, in the runs above.

${memoryTable(results)}

## Loading, prediction, start

${figureTable(results)}

## Serving

Photographs as JPEGs over HTTP on this machine, decoded, resized and labelled: requests a second at the number of
connections where the peer answers most of them, and the most of ours whose p99 is no higher. The load generator runs on
the same cores.

${servingTable(results)}${overloadSentence(results)}

## How cost grows

${scalingSection(results)}

## Remarks

${remarksBegin}
${remarks === '' ? '' : `\n${remarks}\n`}`;
}
