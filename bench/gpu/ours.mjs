#!/usr/bin/env node
/**
 * A child of `npm run bench:gpu`: trains everything on decoded images that are kept in memory, and prints one line of JSON:
 * speed, start-up, and what the device did in one epoch that was recorded after the others.
 *
 *   node bench/gpu/ours.mjs '{"data": "...", "device": "cuda", "precision": "bf16", "batchSize": 256, "epochs": 4, ...}'
 */

import { built } from '../lib/places.mjs';

/** Sessions are given what no option of the package says. @param {any} addon @param {object} more */
function giveSessions(addon, more) {
  const { Session } = addon;
  addon.Session = class extends Session {
    /** @param {unknown} model @param {object} options */
    constructor(model, options) {
      super(model, { ...options, ...more });
    }
  };
}

/** @param {any} job */
async function measure(job) {
  const { openDataset, ResNet50, train } = await import(built('index.js'));
  const { native } = await import(built('native/load.js'));
  if (job.imageChannels !== undefined) giveSessions(native(), { imageChannels: job.imageChannels });
  // A run of so few images does not search by itself, and the peer does.
  if (job.search === true) giveSessions(native(), { searchedBatch: job.batchSize });
  const data = await openDataset(job.data);
  const model = await ResNet50.create({ classes: data.classes, weights: 'none', device: job.device, seed: 0 });
  let ended = 0;
  let firstStep = 0;
  const epochs = [];
  // The first epoch warms caches and chooses kernels; then those that are measured, and one that is recorded.
  const run = train(model, data, {
    strategy: 'full',
    optimizer: 'sgd',
    schedule: 'constant',
    warmupEpochs: 0,
    lr: 1e-3,
    augment: 'flip',
    cacheImages: true,
    imageSize: job.imageSize,
    resize: job.resize,
    batchSize: job.batchSize,
    epochs: job.epochs + 2,
    precision: job.precision,
    workers: job.workers,
    ...job.more,
    onEpoch: async () => {
      if (++ended === job.epochs + 1) await native().startProfile(model.device);
    },
  });
  for await (const event of run) {
    if (event.type === 'step' && firstStep === 0) firstStep = Date.now() - performance.timeOrigin;
    if (event.type === 'epoch') epochs.push(event);
  }
  const profile = await native().stopProfile(model.device);
  const measured = epochs.slice(1, -1);
  const total = (/** @type {(event: any) => number} */ value) => measured.reduce((sum, event) => sum + value(event), 0);
  const last = epochs.at(-1);
  model.dispose();
  data.dispose();
  return {
    imagesPerSecond: total((event) => event.train.images) / total((event) => event.seconds.train),
    startSeconds: firstStep / 1000,
    firstEpochSeconds: epochs[0].seconds.train,
    waitingShare: total((event) => event.seconds.waiting) / total((event) => event.seconds.train),
    recorded: { images: last.train.images, seconds: last.seconds.train, profile },
  };
}

try {
  process.stdout.write(`${JSON.stringify(await measure(JSON.parse(process.argv[2] ?? '{}')))}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
