/** The table of the benchmark: what is run on both sides of each row, and the ratio to beat. */

/** @typedef {'feature-extraction' | 'partial' | 'layer4' | 'differential'} Job */
/** @typedef {'torchvision' | 'keras' | 'onnxruntime' | 'fastify'} PeerName */

/** Ratios of training were set on this machine; a slower rate of matrix products leaves less to win (limits.mjs). */
export const targetsSetOn = 'amd-avx512-bf16-2-cores';

/**
 * @typedef {object} TrainingRow
 * @property {'training'} kind
 * @property {string} name as --only has it
 * @property {Job} job
 * @property {string} against
 * @property {'torchvision' | 'keras'} peer
 * @property {readonly string[]} args of the peer's script
 * @property {boolean} [keepPages] glibc is told to keep freed pages
 * @property {number | null} target ratio to beat on the machine that it was set on
 */

/**
 * @typedef {object} FigureRow
 * @property {'loading' | 'prediction' | 'start'} kind
 * @property {string} name
 * @property {string} what
 * @property {string} against
 * @property {PeerName | null} peer null where there is only a bound to keep
 * @property {readonly string[]} [args] of the peer's script
 * @property {number | null} target
 * @property {number} [batch] images a call, in prediction
 * @property {'help' | 'import' | 'native'} [start]
 * @property {{ width: number, height: number, train: number, val: number }} [drawn] photographs to load instead
 */

/**
 * @typedef {object} ServingRow
 * @property {'serving'} kind
 * @property {'serve/rate' | 'serve/overload'} name
 * @property {string} what
 * @property {string} against
 * @property {'fastify'} peer it brings the load generator, too
 * @property {number | null} target
 */

/**
 * @typedef {object} DecodingRow
 * @property {'decoding'} kind
 * @property {string} name
 * @property {string} what
 * @property {string} against
 * @property {null} peer what one core does, with nobody beside it
 * @property {null} target
 * @property {number} width of the photographs
 * @property {number} height
 */

/** @typedef {TrainingRow | FigureRow | ServingRow | DecodingRow} Row */

/**
 * Our flags of each job, the frozen part as the peers' scripts name it, and what the least work depends on: how many whole
 * units are frozen, and how many views of an image there are (one an epoch where crops are random).
 *
 * @type {Readonly<Record<Job, { flags: readonly string[], freeze: string, frozen: number, views: number | 'epoch' }>>}
 */
export const jobs = {
  'feature-extraction': {
    flags: ['--strategy', 'feature-extraction'],
    freeze: 'backbone',
    frozen: 17,
    views: 1,
  },
  partial: { flags: ['--strategy', 'partial'], freeze: 'half', frozen: 8, views: 2 },
  layer4: {
    flags: ['--strategy', 'partial', '--freeze-until', 'layer3'],
    freeze: 'until-layer3',
    frozen: 14,
    views: 2,
  },
  differential: { flags: ['--strategy', 'differential'], freeze: 'none', frozen: 0, views: 'epoch' },
};

const words = {
  best: 'torchvision, best known settings',
  kept: 'torchvision, best known settings, pages kept',
  compile: 'torchvision, best known settings, torch.compile, pages kept',
  once: 'torchvision, features computed once, pages kept',
  tutorial: 'torchvision, as the tutorial has it',
  keras: 'Keras',
};

/** @type {Partial<Record<keyof typeof words, readonly string[]>>} */
const extra = { once: ['--features-once'], compile: ['--compile'] };

/** @param {Job} job @param {keyof typeof words} how @param {number | null} target @returns {TrainingRow} */
function training(job, how, target) {
  const freeze = ['--freeze', jobs[job].freeze];
  const recipe = ['--recipe', how === 'tutorial' ? 'tutorial' : 'best'];
  return {
    kind: 'training',
    name: `${job}/${how}`,
    job,
    against: words[how],
    peer: how === 'keras' ? 'keras' : 'torchvision',
    args: how === 'keras' ? freeze : [...freeze, ...recipe, ...(extra[how] ?? [])],
    keepPages: how === 'kept' || how === 'compile' || how === 'once',
    target,
  };
}

/** @type {readonly Row[]} */
export const rows = [
  training('feature-extraction', 'best', 30),
  training('feature-extraction', 'kept', null),
  training('feature-extraction', 'compile', null),
  training('feature-extraction', 'once', 1.5),
  training('feature-extraction', 'tutorial', null),
  training('feature-extraction', 'keras', 40),
  training('partial', 'best', 4),
  training('partial', 'kept', null),
  training('partial', 'compile', null),
  training('partial', 'tutorial', null),
  training('partial', 'keras', 8),
  training('layer4', 'best', 8),
  training('layer4', 'kept', null),
  training('layer4', 'compile', null),
  training('layer4', 'tutorial', null),
  training('differential', 'best', 3),
  training('differential', 'kept', 1.3),
  training('differential', 'compile', null),
  training('differential', 'tutorial', null),
  training('differential', 'keras', 6),
  {
    kind: 'loading',
    name: 'loading',
    what: 'loading on one core, random-resized-crop to 224 and flip',
    against: 'torchvision with Pillow',
    peer: 'torchvision',
    target: 2.5,
  },
  ...[
    { name: '500x375', words: 'drawn photographs of 500×375', drawn: { width: 500, height: 375, train: 200, val: 50 } },
    { name: '12-megapixels', words: 'of 4000×3000', drawn: { width: 4000, height: 3000, train: 12, val: 4 } },
  ].map(({ name, words: of, drawn }) => ({
    kind: /** @type {const} */ ('loading'),
    name: `loading/${name}`,
    what: `the same, ${of}`,
    against: 'torchvision with Pillow',
    peer: /** @type {const} */ ('torchvision'),
    drawn,
    target: null,
  })),
  ...[
    [64, 64],
    [256, 192],
    [500, 375],
    [1024, 768],
    [2048, 1536],
    [4000, 3000],
  ].map(([width = 0, height = 0]) => ({
    kind: /** @type {const} */ ('decoding'),
    name: `decoding/${width}x${height}`,
    what: `views of JPEGs of ${width}×${height}`,
    against: 'one core',
    peer: null,
    target: null,
    width,
    height,
  })),
  ...[
    { batch: 16, target: 1.7 },
    { batch: 1, target: 1.4 },
  ].flatMap(({ batch, target }) => [
    {
      kind: /** @type {const} */ ('prediction'),
      name: `prediction/batch-${batch}`,
      what: `prediction, batch ${batch}`,
      against: 'onnxruntime-node in fp32',
      peer: /** @type {const} */ ('onnxruntime'),
      batch,
      target,
    },
    ...[
      { how: 'eager', against: 'PyTorch, eager, pages kept', args: [] },
      { how: 'compile', against: 'PyTorch, torch.compile, pages kept', args: ['--compile'] },
    ].map(({ how, against, args }) => ({
      kind: /** @type {const} */ ('prediction'),
      name: `prediction/batch-${batch}/${how}`,
      what: `prediction, batch ${batch}`,
      against,
      peer: /** @type {const} */ ('torchvision'),
      args,
      batch,
      target: null,
    })),
  ]),
  {
    kind: 'serving',
    name: 'serve/rate',
    what: '`resnet-torch serve`, JPEGs over HTTP',
    against: 'fastify, sharp and onnxruntime-node',
    peer: 'fastify',
    target: 1.5,
  },
  {
    kind: 'serving',
    name: 'serve/overload',
    what: '`resnet-torch serve` at twice the load that it can bear',
    against: 'no failure but 429 and 503',
    peer: 'fastify',
    target: null,
  },
  {
    kind: 'start',
    name: 'start/help',
    what: '`resnet-torch --help`',
    against: 'a bound of 0.2 s',
    peer: null,
    start: 'help',
    target: null,
  },
  {
    kind: 'start',
    name: 'start/import',
    what: "`import 'resnet-torch'`",
    against: '`import torch, torchvision`',
    peer: 'torchvision',
    start: 'import',
    target: 3,
  },
  {
    kind: 'start',
    name: 'start/native',
    what: 'the same, and libtorch loaded, as the first call does',
    against: '`import torch, torchvision`',
    peer: 'torchvision',
    start: 'native',
    target: null,
  },
];

export const scalingNames = /** @type {const} */ (['images', 'epochs', 'frozen', 'batch', 'threads']);
/** @typedef {(typeof scalingNames)[number]} ScalingName */

/**
 * The rows and curves that --only names: a name, or what stands before its slash; `table` and `scaling` are all of each.
 *
 * @param {string | undefined} only
 * @returns {{ rows: readonly Row[], scaling: readonly ScalingName[] }}
 * @throws {RangeError} for a name that is neither
 */
export function choose(only) {
  if (only === undefined) return { rows, scaling: scalingNames };
  const named = only.split(',').map((name) => name.trim());
  const known = new Set(['table', 'scaling', ...scalingNames.map((name) => `scaling/${name}`)]);
  for (const { name } of rows) known.add(name).add(String(name.split('/')[0]));
  const unknown = named.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new RangeError(`--only knows no ${JSON.stringify(unknown)}. It knows:\n  ${[...known].join('\n  ')}`);
  }
  const has = (/** @type {string} */ name, /** @type {string} */ all) =>
    named.includes(all) || named.includes(name) || named.includes(String(name.split('/')[0]));
  return {
    rows: rows.filter(({ name }) => has(name, 'table')),
    scaling: scalingNames.filter((name) => has(`scaling/${name}`, 'scaling')),
  };
}
