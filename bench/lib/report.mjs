/** The page of results. */

import { codings, decodedViews, qualities, samplings } from './decoding.mjs';
import { shareOfLimit } from './limits.mjs';
import { conditionsList, machinesTable, shortName } from './machines-table.mjs';
import { rows, scalingNames, targetsSetOn } from './rows.mjs';
import { duration } from './say.mjs';
import { median } from './statistics.mjs';

/** @typedef {import('./results.mjs').Results} Results */
/** @typedef {import('./results.mjs').OfMachine} OfMachine */
/** @typedef {import('./machine.mjs').Machine} Machine */
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

/**
 * The outcomes of a row, one for each machine that has one with figures.
 *
 * @param {readonly OfMachine[]} all
 * @param {Row} row
 */
function outcomesOf(all, row) {
  return all.flatMap(({ machine, rows: own }) => {
    const outcome = own[row.name];
    return outcome === undefined || outcome.notRun !== null ? [] : [{ machine, outcome }];
  });
}

/** Shares of the machine's limit that ours and the peer reach. @param {Row} row @param {Outcome} outcome @param {Machine} machine */
function shares(row, outcome, machine) {
  const [own, theirs] = [outcome.ours, outcome.peer].map((figures) =>
    shareOfLimit(row, outcome, machine, figures ?? []),
  );
  const percent = (/** @type {number | null | undefined} */ share) =>
    share === null || share === undefined ? '' : `${Math.round(100 * share)}%`;
  return `${percent(own)}, ${percent(theirs)}`.replace(/^, $/, '');
}

/** @param {readonly OfMachine[]} all */
function trainingTable(all) {
  const lines = [
    '| job | against | machine | epochs | ours | peer | ratio | spread | share of the limit: ours, peer | to beat | top-1: ours, peer | taken |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|',
  ];
  for (const row of rows) {
    if (row.kind !== 'training') continue;
    const start = `| ${row.name.split('/')[0]} | ${row.against} |`;
    const found = outcomesOf(all, row);
    if (found.length === 0) lines.push(`${start} ${notRun(all, row)} | | | | | | | | | |`);
    for (const { machine, outcome } of found) {
      const { ours = [], peer = [], ratio: r, setting, date } = outcome;
      if (r === undefined) continue;
      const target = machine.id === targetsSetOn ? verdict(row.target, r) : '';
      lines.push(
        `${start} ${shortName(machine)} | ${setting?.epochs} | ${duration(median(ours))} | ${duration(median(peer))} | **${ratio(r.median)}** | ` +
          `${spread(r)} | ${shares(row, outcome, machine)} | ${target} | ` +
          `${accuracy(outcome.oursTop1)}, ${accuracy(outcome.peerTop1)} | ${date.slice(0, 10)} |`,
      );
    }
  }
  return lines.join('\n');
}

/** @param {readonly OfMachine[]} all */
function figureTable(all) {
  const lines = [
    '| what | against | machine | ours | peer | ratio | spread | share of the limit: ours, peer | to beat | taken |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ];
  for (const row of rows) {
    if (row.kind === 'training' || row.kind === 'serving' || row.kind === 'decoding') continue;
    const start = `| ${row.what} | ${row.against} |`;
    const figure = row.kind === 'start' ? duration : (/** @type {number} */ value) => `${value.toFixed(1)} img/s`;
    const found = outcomesOf(all, row);
    if (found.length === 0) lines.push(`${start} ${notRun(all, row)} | | | | | | | |`);
    for (const { machine, outcome } of found) {
      const own = median(outcome.ours ?? []);
      const { ratio: r, peer = [] } = outcome;
      const beside =
        r === undefined
          ? `| | | | ${row.name === 'start/help' ? (own <= helpBound ? 'kept' : '**missed**') : ''}`
          : `${figure(median(peer))} | **${ratio(r.median)}** | ${spread(r)} | ${shares(row, outcome, machine)} | ${verdict(row.target, r)}`;
      lines.push(`${start} ${shortName(machine)} | ${figure(own)} | ${beside} | ${outcome.date.slice(0, 10)} |`);
    }
  }
  return lines.join('\n');
}

const helpBound = 0.2;

/** @param {readonly OfMachine[]} all */
function memoryTable(all) {
  const lines = [
    '| job | machine | ours | torchvision, best known settings | ours of theirs | to keep |',
    '|---|---|---|---|---|---|',
  ];
  for (const row of rows) {
    if (!row.name.endsWith('/best')) continue;
    const job = row.name.split('/')[0];
    for (const { machine, outcome } of outcomesOf(all, row)) {
      const { oursPeakBytes: ours = [], peerPeakBytes: peer = [] } = outcome;
      if (ours.length === 0 || peer.length === 0) continue;
      const share = median(ours) / median(peer);
      const gib = (/** @type {number} */ bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
      lines.push(
        `| ${job} | ${shortName(machine)} | ${gib(median(ours))} | ${gib(median(peer))} | **${share.toFixed(2)}** | at most 1.0, ${share <= 1 ? 'kept' : '**missed**'} |`,
      );
    }
  }
  return lines.length > 2 ? lines.join('\n') : 'Not measured yet.';
}

/** @param {readonly OfMachine[]} all */
function servingTable(all) {
  const rate = (/** @type {readonly number[]} */ values) => `${median(values).toFixed(1)}/s`;
  const milliseconds = (/** @type {readonly number[]} */ values) => `${median(values).toFixed(0)} ms`;
  const lines = [
    '| what | against | machine | ours | peer | ratio | spread | to beat | p99: ours, peer | taken |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ];
  for (const row of rows) {
    if (row.kind !== 'serving') continue;
    const start = `| ${row.what} | ${row.against} |`;
    const found = outcomesOf(all, row);
    if (found.length === 0) lines.push(`${start} ${notRun(all, row)} | | | | | | | |`);
    for (const { machine, outcome } of found) {
      const { ours = [], oursP99 = [], peer = [], peerP99 = [], ratio: r, overload } = outcome;
      const beside =
        r === undefined
          ? `| | | ${overload?.failures === 0 ? 'kept' : '**missed**'} | ${milliseconds(oursP99)}`
          : `${rate(peer)} | **${ratio(r.median)}** | ${spread(r)} | ${verdict(row.target, r)} | ${milliseconds(oursP99)}, ${milliseconds(peerP99)}`;
      lines.push(`${start} ${shortName(machine)} | ${rate(ours)} | ${beside} | ${outcome.date.slice(0, 10)} |`);
    }
  }
  return lines.join('\n');
}

/** @param {readonly OfMachine[]} all */
function overloadSentences(all) {
  return all
    .flatMap(({ machine, rows: own }) => {
      const overload = own['serve/overload']?.overload;
      if (overload === undefined) return [];
      const { seconds, bearable, offered, statuses, failures } = overload;
      const answers = Object.entries(statuses).map(([status, count]) => `${count} with ${status}`);
      return [
        `\n\n${shortName(machine)}: at ${offered.toFixed(1)} requests a second, twice the ${bearable.toFixed(1)} that it can bear, for ${duration(seconds)}: ` +
          `answered were ${answers.join(', ')}; ${failures} failed otherwise. The p99 is that of the answers with 200.`,
      ];
    })
    .join('');
}

/** Rates of one size and view, by kind of JPEG, the qualities behind each other. @param {readonly OfMachine[]} all */
function decodingTable(all) {
  const columns = codings.flatMap((coding) => samplings.map((sampling) => ({ coding, sampling })));
  const lines = [
    `| JPEGs | view | machine | ${columns.map(({ coding, sampling }) => `${coding}, ${sampling}`).join(' | ')} | taken |`,
    `|---|---|---|${'---|'.repeat(columns.length)}---|`,
  ];
  for (const row of rows) {
    if (row.kind !== 'decoding') continue;
    const found = outcomesOf(all, row);
    const start = `| ${row.width}×${row.height} |`;
    if (found.length === 0) lines.push(`${start} | ${notRun(all, row)} | ${'| '.repeat(columns.length)}|`);
    for (const { machine, outcome } of found) {
      for (const view of decodedViews) {
        const rates = columns.map((column) =>
          qualities
            .map((quality) => {
              const one = outcome.decoded?.find(
                (each) =>
                  each.view === view &&
                  each.quality === quality &&
                  each.coding === column.coding &&
                  each.sampling === column.sampling,
              );
              return one?.imagesPerSecond.toFixed(one.imagesPerSecond < 100 ? 1 : 0) ?? '';
            })
            .filter(Boolean)
            .join(', '),
        );
        lines.push(
          `${start} ${viewWords[view]} | ${shortName(machine)} | ${rates.join(' | ')} | ${outcome.date.slice(0, 10)} |`,
        );
      }
    }
  }
  return lines.join('\n');
}

const viewWords = { train: 'training', evaluation: 'evaluation', kept: 'training, kept decoded' };

/** @param {readonly OfMachine[]} all @param {Row} row */
function notRun(all, row) {
  const reason = all.map(({ rows: own }) => own[row.name]?.notRun).find((text) => text);
  return reason ? `not run: ${cell(reason)}` : 'not run';
}

/** @param {OfMachine} ofMachine */
function scalingSection({ machine, scaling }) {
  const parts = [`### ${shortName(machine)}`];
  for (const name of scalingNames) {
    const curves = scaling[name];
    if (curves === undefined || curves.notRun !== null) {
      parts.push(`#### ${name}\n\nNot run${curves === undefined ? '' : `: ${curves.notRun}`}.`);
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
      `#### ${curves.title}\n\n${curves.note} Taken ${curves.date.slice(0, 10)}.\n\n![${curves.title}](plots/${machine.id}/${name}.svg)\n\n` +
        `${curves.y}:\n\n${[header, rule, ...body].join('\n')}`,
    );
  }
  return parts.join('\n\n');
}

const remarksBegin = '<!-- remarks: written by hand, and kept -->';

/** What people wrote at the end of the page: why a row falls short, what was tried. @param {string} page */
export function remarksOf(page) {
  return page.split(remarksBegin)[1]?.trim() ?? '';
}

/** @param {readonly OfMachine[]} all */
function settings(all) {
  const seen = new Set(
    all.flatMap(({ rows: own }) =>
      rows.flatMap((row) => {
        const setting = row.kind === 'training' ? own[row.name]?.setting : undefined;
        return setting === undefined
          ? []
          : [
              `${setting.images}, ${setting.train} + ${setting.val} images, weights ${setting.checkpoint}, ${setting.size} px, batch ${setting.batch}`,
            ];
      }),
    ),
  );
  return [...seen].join('; ') || 'Nothing was run yet';
}

/** @param {Results} results @param {string} [remarks] @returns {string} Markdown */
export function renderResults(results, remarks = '') {
  const all = Object.values(results.machines).sort((a, b) => (a.machine.id < b.machine.id ? -1 : 1));
  return `# Results of the benchmark

Written by \`npm run bench\`; [docs/benchmarks.md](../docs/benchmarks.md) says what is run and why it is fair. Figures are
medians; a ratio is the median of those of single pairs, the spread their lowest and highest. Above 1× ours is better.

## Machines

${all.length === 0 ? 'Nothing was run yet.' : machinesTable(all)}

The limit is the fewest operations that a row needs, at the rate of matrix products of its machine, in the faster of bf16 and
fp32. A ratio cannot pass what the limit leaves: where the peer reaches a larger share of it, less is to be won.

${all.map(conditionsList).filter(Boolean).join('\n')}

## Training, the whole process

${settings(all)}. Evaluation after every epoch, the best checkpoint written, start and end of the process included.
Both sides of a row run as many epochs as it says.

${trainingTable(all)}

## Memory

Proportional set sizes of the process and its children, at their highest, in the runs above.

${memoryTable(all)}

## Loading, prediction, start

Prediction of ours is in bf16 where the processor is fast at it, and in fp32 elsewhere, as PyTorch's.

${figureTable(all)}

## Decoding

Views that one core makes a second, of the time that the process had (the best of several passes over four drawn photographs):
random-resized-crop and flip, the centre square, and the former of pictures that \`--cache-images\` keeps. In each cell
qualities of ${qualities.join(', ')}; what is kept decoded is the same whatever it came from. What a machine can feed is in [docs/performance.md](../docs/performance.md).

${decodingTable(all)}

## Serving

Photographs as JPEGs over HTTP on this machine, decoded, resized and labelled: requests a second at the number of
connections where the peer answers most of them, and the most of ours whose p99 is no higher. The load generator runs on
the same cores.

${servingTable(all)}${overloadSentences(all)}

## How cost grows

${all.map(scalingSection).join('\n\n') || 'Nothing was run yet.'}

## Remarks

${remarksBegin}
${remarks === '' ? '' : `\n${remarks}\n`}`;
}
