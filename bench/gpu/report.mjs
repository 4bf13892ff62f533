/** bench/GPU.md from what was measured. */

import { boundsOf } from './byte-model.mjs';
import { cardOf, publishedOf } from './cards.mjs';

/**
 * @typedef {object} Step milliseconds of one step on the device, by class, and in which it had nothing to do
 * @property {number} convolution
 * @property {number} norm
 * @property {number} rest
 * @property {number} copies between host and device, which run beside the others
 * @property {number} idle
 */

/**
 * @typedef {object} Row
 * @property {string} what
 * @property {'bf16' | 'fp16'} precision
 * @property {number} batch
 * @property {string | null} notRun why, or null
 * @property {number} [imagesPerSecond]
 * @property {number} [startSeconds] of the process until its first step was told of
 * @property {number} [firstEpochSeconds] in which kernels are chosen and, with cuDNN's search, searched for
 * @property {number} [waitingShare] of the measured time, in which no step was under way for want of images
 * @property {Step} [step] of ours, recorded apart
 * @property {readonly { name: string, class: string, count: number, ms: number }[]} [longest] kernels, in the recorded epoch
 */

/** @typedef {{ device: string, date: string, size: number, versions: Record<string, string>, rows: readonly Row[] }} Results */

/** @param {number | undefined} value @param {number} [digits] */
function figure(value, digits = 1) {
  return value === undefined || !Number.isFinite(value) ? '' : value.toFixed(digits);
}

/** @param {readonly (readonly (string | number)[])[]} lines the first is the head */
function table(lines) {
  const [head = [], ...rest] = lines.map((cells) => `| ${cells.join(' | ')} |`);
  return [head, `|${'---|'.repeat(lines[0]?.length ?? 0)}`, ...rest].join('\n');
}

/** @param {Results} results */
function speed({ rows }) {
  return table([
    ['what', 'precision', 'batch', 'images a second', 'waited for images', 'first step after, s', 'first epoch, s'],
    ...rows.map((row) => [
      row.what,
      row.precision,
      row.batch,
      row.notRun === null ? figure(row.imagesPerSecond, 0) : `not run: ${row.notRun}`,
      row.waitingShare === undefined ? '' : `${figure(100 * row.waitingShare)}%`,
      figure(row.startSeconds),
      figure(row.firstEpochSeconds),
    ]),
  ]);
}

/** @param {Results} results */
function steps({ device, size, rows }) {
  const card = cardOf(device);
  const shares = rows.flatMap(({ what, precision, batch, step }) => {
    if (step === undefined) return [];
    const bound = card === null ? null : boundsOf({ size, batch, valueBytes: 2, ...card });
    const beside = (/** @type {'convolution' | 'norm' | 'rest'} */ name) =>
      bound === null ? figure(step[name]) : `${figure(step[name])} (${figure(bound[name])})`;
    return [
      [
        what,
        precision,
        batch,
        beside('convolution'),
        beside('norm'),
        beside('rest'),
        figure(step.idle),
        figure(step.copies),
      ],
    ];
  });
  const limit =
    card === null
      ? `The bandwidth of this card is not listed in bench/gpu/cards.mjs: there are no bounds beside the times.`
      : `In brackets is what a card with ${(card.bandwidth / 1e12).toFixed(2)} TB/s and ${(card.operations / 1e12).toFixed(0)} TFLOP/s needs at least, by bench/gpu/byte-model.mjs.`;
  return [
    `Milliseconds of a step on the device, from an epoch that was recorded after those that were measured. ${limit}`,
    'Idle is when no kernel ran: the device waited for data, or for the host to launch. Copies between host and device run beside kernels.',
    '',
    table([['what', 'precision', 'batch', 'convolution', 'BatchNorm, ReLU, add', 'rest', 'idle', 'copies'], ...shares]),
  ].join('\n');
}

/** @param {Results} results */
function longest({ rows }) {
  const best = [...rows].filter((row) => row.longest !== undefined).sort((a, b) => b.batch - a.batch)[0];
  if (best?.longest === undefined) return '';
  return [
    `## What takes longest: ${best.what}, ${best.precision}, batch ${best.batch}`,
    '',
    table([
      ['kernel', 'class', 'launches', 'ms'],
      ...best.longest.map(({ name, class: kind, count, ms }) => [
        `\`${name.slice(0, 110).replaceAll('|', '\\|')}\``,
        kind,
        count,
        figure(ms),
      ]),
    ]),
  ].join('\n');
}

/** @param {Results} results */
export function render(results) {
  const published = publishedOf(results.device);
  const versions = Object.entries(results.versions).map(([name, version]) => `${name} ${version}`);
  return `${[
    '# Training on a GPU',
    '',
    `Written by \`npm run bench:gpu\` on ${results.date}: ${results.device}; ${versions.join(', ')}. ResNet-50 at ${results.size} px, everything`,
    'trains, SGD with momentum. Ours reads decoded images from memory and uploads them; torchvision is shown with its own loader,',
    'and on a batch that stays on the device, which is what is left without loading.',
    '',
    speed(results),
    ...(published.length === 0
      ? []
      : [
          '',
          'Published of such a card:',
          '',
          ...published.map(({ imagesPerSecond, by }) => `- ${imagesPerSecond}: ${by}`),
        ]),
    '',
    '## Where the time of a step goes',
    '',
    steps(results),
    '',
    longest(results),
  ]
    .join('\n')
    .trimEnd()}\n`;
}
