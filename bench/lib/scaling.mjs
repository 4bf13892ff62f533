/** How cost grows: curves of ours, of torchvision where it is quick enough, and the bound that the machine sets. */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { runChild } from './children.mjs';
import { measureRates } from './machine.mjs';
import { trainingOperations, units } from './network.mjs';
import { makePhotographs } from './photographs.mjs';
import { cli, work } from './places.mjs';
import { duration, say } from './say.mjs';
import { trainOurs, trainPeer } from './train-runs.mjs';

/** @typedef {import('./pairs.mjs').Plan} Plan */
/** @typedef {import('./plot.mjs').Series} Series */
/** @typedef {import('./rows.mjs').ScalingName} ScalingName */
/** @typedef {import('./train-runs.mjs').TrainingRun} TrainingRun */

/**
 * @typedef {object} Curves
 * @property {ScalingName} name
 * @property {string} date
 * @property {import('./machine.mjs').Conditions} conditions
 * @property {string | null} notRun
 * @property {string} title
 * @property {string} x
 * @property {string} y
 * @property {string} note
 * @property {boolean} [logX]
 * @property {boolean} [logY]
 * @property {Record<string, string>} [ticks]
 * @property {readonly Series[]} series
 *
 * @typedef {Omit<Curves, 'name' | 'date' | 'conditions' | 'notRun'>} Drawn
 */

const differential = ['--strategy', 'differential'];
const features = ['--strategy', 'feature-extraction'];
const best = {
  features: { peer: /** @type {const} */ ('torchvision'), args: ['--freeze', 'backbone'] },
  layer4: { peer: /** @type {const} */ ('torchvision'), args: ['--freeze', 'until-layer3'] },
  differential: { peer: /** @type {const} */ ('torchvision'), args: ['--freeze', 'none'] },
};

/** What the curves share: how a point is run, and what there is to run it with. */
class Bench {
  /** @param {Plan} plan @param {boolean} quick @param {boolean} hasCache */
  constructor(plan, quick, hasCache) {
    this.plan = plan;
    this.quick = quick;
    this.hasCache = hasCache;
    this.hasPeer = plan.peers.torchvision === null;
    this.setting = {
      weights: plan.material.weights,
      size: quick ? 64 : 224,
      resize: quick ? 73 : 256,
      batch: 32,
      fastBf16: plan.machine.fastBf16,
    };
  }

  /** Flags with the cache as named; as it is by default where `train` has no such option. @param {'auto' | 'off'} state */
  cache(state) {
    return this.hasCache ? ['--cache', state] : [];
  }

  /** @param {number} train @param {number} val @param {number} width @param {number} height */
  photographs(train, val, width, height) {
    const folder = join(work, 'data', `drawn-${width}x${height}-${train}-${val}`);
    return makePhotographs(folder, { train, val, width, height, signal: this.plan.signal });
  }

  /** The images of all curves but the first. @param {number} train */
  standard(train) {
    return this.photographs(train, 32, 500, 375);
  }

  /** @param {string} label @param {readonly string[]} flags @param {Partial<import('./train-runs.mjs').Setting> & { data: string, epochs: number }} setting */
  async ours(label, flags, setting) {
    const run = await trainOurs(flags, { ...this.setting, ...setting }, 0, this.plan.signal);
    say(`${label.padEnd(28)} ours         ${duration(run.seconds)}, ${run.lastImagesPerSecond.toFixed(1)} img/s`);
    return run;
  }

  /** @param {string} label @param {(typeof best)[keyof typeof best]} row @param {Partial<import('./train-runs.mjs').Setting> & { data: string, epochs: number }} setting */
  async peer(label, row, setting) {
    const run = await trainPeer(row, { ...this.setting, ...setting }, 0, this.plan.signal);
    say(`${label.padEnd(28)} torchvision  ${duration(run.seconds)}, ${run.lastImagesPerSecond.toFixed(1)} img/s`);
    return run;
  }

  /** @param {number} threads */
  rates(threads) {
    return this.hasPeer ? measureRates(threads, this.plan.signal) : Promise.resolve(null);
  }

  /**
   * The bounds in bf16 and fp32 along x.
   *
   * @param {readonly number[]} xs
   * @param {(x: number) => number} operations of one image
   * @returns {Promise<readonly Series[]>}
   */
  async limits(xs, operations) {
    const rates = await this.rates(availableParallelism());
    if (rates === null) return [];
    return /** @type {const} */ (['bf16', 'fp32']).map((kind) => ({
      label: `limit: ${(rates[kind] / 1e9).toFixed(0)} GFLOP/s of ${kind} matrix products`,
      limit: true,
      points: xs.map((x) => /** @type {const} */ ([x, rates[kind] / operations(x)])),
    }));
  }
}

/** @param {readonly Series[]} series those that have points */
const filled = (series) => series.filter(({ points }) => points.length > 0);

/** @type {Record<ScalingName, (bench: Bench) => Promise<Drawn>>} */
const curves = {
  async images(bench) {
    const counts = bench.quick ? [64, 128] : [250, 1000, 2500, 10_000, 25_000];
    const most = bench.quick ? 64 : 2500;
    const size = { size: 64, resize: 73 };
    /** @type {[number, number][][]} */
    const [frozen, all, peer] = [[], [], []];
    for (const count of counts) {
      const data = await bench.photographs(count, 100, 256, 192);
      const name = `scaling/images ${count}`;
      frozen.push([count, (await bench.ours(name, features, { data, epochs: 3, ...size })).seconds]);
      all.push([count, (await bench.ours(name, differential, { data, epochs: 1, ...size })).seconds]);
      if (bench.hasPeer && count <= most) {
        peer.push([count, (await bench.peer(name, best.features, { data, epochs: 3, ...size })).seconds]);
      }
    }
    return {
      title: 'Seconds of a whole run by number of images',
      x: 'images to train on',
      y: 'seconds',
      logX: true,
      logY: true,
      note: 'Drawn photographs of 256×192, image size 64 (so that 25,000 stay affordable), 100 images to validate.',
      series: filled([
        { label: 'ours, feature-extraction, 3 epochs', points: frozen },
        { label: 'ours, differential, 1 epoch', points: all },
        { label: 'torchvision, feature-extraction, 3 epochs', points: peer },
      ]),
    };
  },

  async epochs(bench) {
    const counts = bench.quick ? [1, 2] : [1, 2, 5, 10, 20];
    const most = bench.quick ? 1 : 5;
    const data = await bench.standard(bench.quick ? 64 : 128);
    /** @type {[number, number][][]} */
    const [cached, computed, peer] = [[], [], []];
    for (const epochs of counts) {
      const name = `scaling/epochs ${epochs}`;
      cached.push([epochs, (await bench.ours(name, [...features, ...bench.cache('auto')], { data, epochs })).seconds]);
      if (bench.hasCache) {
        computed.push([
          epochs,
          (await bench.ours(name, [...features, ...bench.cache('off')], { data, epochs })).seconds,
        ]);
      }
      if (bench.hasPeer && epochs <= most) {
        peer.push([epochs, (await bench.peer(name, best.features, { data, epochs })).seconds]);
      }
    }
    return {
      title: 'Seconds of a whole run by number of epochs, feature-extraction',
      x: 'epochs',
      y: 'seconds',
      note: `Drawn photographs, ${bench.quick ? 64 : 128} to train on and 32 to validate.`,
      series: filled([
        { label: bench.hasCache ? 'ours, --cache auto' : 'ours', points: cached },
        { label: 'ours, --cache off', points: computed },
        { label: 'torchvision, best known settings', points: peer },
      ]),
    };
  },

  async frozen(bench) {
    const cuts = bench.quick ? [0, 14, 17] : units.map((_, frozen) => frozen);
    const data = await bench.standard(96);
    const base = ['--strategy', 'partial', '--augment', 'none'];
    /** @type {[number, number][][]} */
    const [computed, cached, peer] = [[], [], []];
    /** @type {Partial<Record<number, (typeof best)[keyof typeof best]>>} */
    const peers = { 0: best.differential, 14: best.layer4, 17: best.features };
    for (const frozen of cuts) {
      const name = `scaling/frozen ${frozen}`;
      const rule = frozen === 0 ? ['--freeze', 'none'] : ['--freeze-until', String(units[frozen - 1])];
      const flags = [...base, ...(frozen === 17 ? ['--freeze', 'backbone'] : rule)];
      const run = await bench.ours(name, [...flags, ...bench.cache('off')], { data, epochs: 2 });
      computed.push([frozen, run.lastImagesPerSecond]);
      if (bench.hasCache && frozen > 0 && frozen < 17) {
        const warm = await bench.ours(name, [...flags, ...bench.cache('auto')], { data, epochs: 2 });
        cached.push([frozen, warm.lastImagesPerSecond]);
      }
      const row = peers[frozen];
      if (bench.hasPeer && row)
        peer.push([frozen, (await bench.peer(name, row, { data, epochs: 2 })).lastImagesPerSecond]);
    }
    const limits = await bench.limits(cuts, (frozen) => trainingOperations(frozen, false, bench.setting.size));
    return {
      title: 'Images a second in training by what is frozen',
      x: 'the last frozen unit',
      y: 'images a second',
      logY: true,
      ticks: Object.fromEntries(cuts.map((frozen) => [frozen, frozen === 0 ? 'nothing' : String(units[frozen - 1])])),
      note:
        'The second epoch of two over 96 drawn photographs, batch 32. The bound counts the whole forward and twice the ' +
        'forward of what trains; cached features go beyond it, and with all but the head cached (left out) the figure says nothing.',
      series: filled([
        { label: bench.hasCache ? 'ours, --cache off' : 'ours', points: computed },
        { label: 'ours, --cache auto', points: cached },
        { label: 'torchvision, best known settings', points: peer },
        ...limits,
      ]),
    };
  },

  async batch(bench) {
    const sizes = bench.quick ? [8, 32] : [2, 4, 8, 16, 32, 64];
    const data = await bench.standard(bench.quick ? 64 : 128);
    /** @type {[number, number][][]} */
    const [own, peer] = [[], []];
    for (const batch of sizes) {
      const name = `scaling/batch ${batch}`;
      own.push([batch, (await bench.ours(name, differential, { data, epochs: 2, batch })).lastImagesPerSecond]);
      if (bench.hasPeer && batch >= 8) {
        const run = await bench.peer(name, best.differential, { data, epochs: 2, batch });
        peer.push([batch, run.lastImagesPerSecond]);
      }
    }
    return {
      title: 'Images a second in training by batch size, everything trains',
      x: 'batch size',
      y: 'images a second',
      logX: true,
      note: 'The second epoch of two over drawn photographs.',
      series: filled([
        { label: 'ours', points: own },
        { label: 'torchvision, best known settings', points: peer },
        ...(await bench.limits(sizes, () => trainingOperations(0, false, bench.setting.size))),
      ]),
    };
  },

  async threads(bench) {
    const cores = availableParallelism();
    const counts = Array.from({ length: cores }, (_, i) => i + 1).filter(
      (n) => n === cores || Number.isInteger(Math.log2(n)),
    );
    const data = await bench.standard(bench.quick ? 64 : 96);
    const operations = trainingOperations(0, false, bench.setting.size);
    /** @type {[number, number][][]} */
    const [own, bf16, fp32] = [[], [], []];
    for (const threads of counts) {
      const flags = [...differential, '--threads', String(threads)];
      const run = await bench.ours(`scaling/threads ${threads}`, flags, { data, epochs: 2 });
      own.push([threads, run.lastImagesPerSecond]);
      const rates = await bench.rates(threads);
      if (rates !== null) {
        bf16.push([threads, rates.bf16 / operations]);
        fp32.push([threads, rates.fp32 / operations]);
      }
    }
    return {
      title: 'Images a second in training by threads, everything trains',
      x: 'threads of the arithmetic',
      y: 'images a second',
      note: 'The second epoch of two over drawn photographs, batch 32. Images are read by other threads.',
      series: filled([
        { label: 'ours', points: own },
        { label: 'limit: bf16 matrix products on as many threads', limit: true, points: bf16 },
        { label: 'limit: fp32 matrix products on as many threads', limit: true, points: fp32 },
      ]),
    };
  },
};

/** @param {ScalingName} name @param {Plan} plan @param {boolean} quick @returns {Promise<Curves>} */
export async function runCurves(name, plan, quick) {
  const { stdout } = await runChild(process.execPath, [cli, 'train', '--help'], { signal: plan.signal });
  const bench = new Bench(plan, quick, /--cache\s/.test(stdout));
  const base = { name, date: new Date().toISOString(), conditions: plan.conditions };
  try {
    return { ...base, notRun: null, ...(await curves[name](bench)) };
  } catch (error) {
    if (plan.signal.aborted) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    return { ...base, notRun: reason, title: name, x: '', y: '', note: '', series: [] };
  }
}
