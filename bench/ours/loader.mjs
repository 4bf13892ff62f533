/** Our loading with one worker: images a second, the first pass left out. Usage: loader.mjs DATA SIZE PASSES */

import { openDataset } from 'resnet-torch';

const [path = '', size = '224', passes = '2'] = process.argv.slice(2);
const data = await openDataset(path, { workers: 1 });
let count = 0;
let start = 0;
for (let pass = 0; pass <= Number(passes); pass++) {
  if (pass === 1) start = performance.now();
  const options = /** @type {const} */ ({ split: 'all', epoch: pass, augment: 'standard', workers: 1, shuffle: true });
  for await (const { labels } of data.batches({ ...options, imageSize: Number(size), batchSize: 32 })) {
    if (pass > 0) count += labels.length;
  }
}
data.dispose();
process.stdout.write(`${JSON.stringify({ imagesPerSecond: count / ((performance.now() - start) / 1000) })}\n`);
