import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import sharp from 'sharp';
import { temporaryDirectory } from '../../support/paths.js';
import { answerOf, type Ground, program } from './programs.js';

/** A folder with `train/` and `val/`: two classes of noisy JPEGs of 500×375 pixels, as large as photographs are. */
export async function photographGround(t: TestContext, images: number): Promise<Ground> {
  const root = await temporaryDirectory(t);
  for (const [part, count] of Object.entries({ train: images, val: Math.ceil(images / 4) })) {
    for (const [label, mean] of [110, 150].entries()) {
      const folder = join(root, part, `class ${label}`);
      await mkdir(folder, { recursive: true });
      for (let i = 0; i < count / 2; i++) {
        const noise = { type: 'gaussian', mean: mean + (i % 20), sigma: 20 } as const;
        await sharp({ create: { width: 500, height: 375, channels: 3, background: '#000', noise } })
          .jpeg()
          .toFile(join(folder, `${i}.jpg`));
      }
    }
  }
  return { images: root, out: await temporaryDirectory(t) };
}

/** Milliseconds by which the event loop was late, at most: in the middle, in 99 of 100 cases, and ever. */
export interface Delay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Images trained on or predicted meanwhile. */
  readonly images: number;
  readonly seconds: number;
}

export interface Load {
  readonly imageSize: number;
  /** How long it lasts. */
  readonly seconds: number;
  /** Environment of the process. */
  readonly env?: NodeJS.ProcessEnv;
}

/** The sampling timer of the histogram fires each millisecond, and what it records is the time between two firings. */
const delays = (work: string, { imageSize }: Load): string => `
  import { monitorEventLoopDelay } from 'node:perf_hooks';
  const imageSize = ${imageSize};
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  let images = 0;
  let started = 0;
  const begin = () => { started = performance.now(); histogram.enable(); };
  ${work}
  histogram.disable();
  const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - 1);
  console.log(JSON.stringify({
    p50: late(histogram.percentile(50)), p99: late(histogram.percentile(99)), max: late(histogram.max),
    images, seconds: (performance.now() - started) / 1000,
  }));`;

/** While a run trains all units, in the main thread of a process, with its settings left to the package. */
export function delayInTraining(ground: Ground, load: Load): Promise<Delay> {
  const work = `
    const model = await create();
    const stop = new AbortController();
    const run = train(model, data, {
      strategy: 'full', epochs: 100000, imageSize, batchSize: 16, out: join(out, 'run'), signal: stop.signal,
    });
    try {
      for await (const event of run) {
        if (event.type !== 'step') continue;
        if (images === 0) { begin(); setTimeout(() => stop.abort(), ${load.seconds * 1000}); }
        images += event.images;
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }`;
  return answerOf<Delay>(program(ground, delays(work, load)), load.env);
}

/** While sixty-four predictions are always asked for. */
export function delayInPrediction(ground: Ground, load: Load): Promise<Delay> {
  const work = `
    ${loadPredictor()}
    await predictor.predict(photo);
    begin();
    const signal = AbortSignal.timeout(${load.seconds * 1000});
    const ask = async (first) => {
      for (let i = first; !signal.aborted; i++, images++) await predictor.predict(paths[i % paths.length]);
    };
    await Promise.all(Array.from({ length: 64 }, (_, i) => ask(i)));`;
  return answerOf<Delay>(program(ground, delays(work, load)), load.env);
}

/** @param options of the predictor, as source text */
const loadPredictor = (options = ''): string => `
  const model = await create();
  await model.save(join(out, 'model.safetensors'));
  model.dispose();
  const predictor = await Predictor.load(join(out, 'model.safetensors'), { device: 'cpu', imageSize, ${options} });
  const paths = [...data.splits.train.files, ...data.splits.val.files].map(({ path }) => path);`;

/** Megabytes that a process holds after the first of its predictions, and after all. */
export interface Growth {
  readonly first: number;
  readonly last: number;
}

/**
 * Predictions of which 32 are asked for at once, in batches of 8. How many share a batch depends on what else the cores
 * do, and the first batch of each size takes memory for good: a single image packs the network's weights a second time
 * (48 MB in bf16), every size keeps its oneDNN primitives (2 to 4 MB). So all sizes come before the first look.
 */
export function growthInPrediction(
  ground: Ground,
  o: { readonly imageSize: number; readonly first: number; readonly count: number },
): Promise<Growth> {
  return answerOf<Growth>(
    program(
      ground,
      `
      const imageSize = ${o.imageSize};
      ${loadPredictor('maxBatch: 8, maxDelayMs: 500')}
      for (let size = 1; size <= 8; size++) {
        await Promise.all(Array.from({ length: size }, () => predictor.predict(photo)));
      }
      let made = 0;
      const predict = async (count) => {
        for (; made < count; made += 32) {
          const asked = Array.from({ length: 32 }, (_, i) => predictor.predict(paths[(made + i) % paths.length]));
          for (const prediction of await Promise.all(asked)) {
            if (!(prediction.predictions[0].probability > 0)) throw new Error('no prediction');
          }
        }
      };
      await predict(${o.first});
      const first = await resident();
      // What is left to be collected comes and goes; what leaks only grows.
      let last = Infinity;
      for (let look = 0; look < 4; look++) {
        await predict(${o.count} + look * ${o.first});
        last = Math.min(last, await resident());
      }
      console.log(JSON.stringify({ first, last }));`,
    ),
  );
}
