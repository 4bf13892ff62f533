/** Our prediction: images a second from normalised pixels to logits. In the precision that is faster here. Usage: predict.mjs WEIGHTS BATCH SECONDS SIZE */

import { ResNet50 } from 'resnet-torch';
import { pixels, throughput } from '../lib/throughput.mjs';

const [weights = '', batch = '16', seconds = '5', size = '224'] = process.argv.slice(2);
const shape = /** @type {const} */ ([Number(batch), 3, Number(size), Number(size)]);
const model = await ResNet50.create({ classes: 2, head: { hidden: [1024] }, weights, device: 'cpu' });
const images = pixels(shape);
const call = async () => (await model.forward(images, shape, { precision: 'auto' })).data;
const result = await throughput(call, Number(batch), Number(seconds));
model.dispose();
process.stdout.write(`${JSON.stringify(result)}\n`);
