/** onnxruntime-node in float32: images a second from normalised pixels to logits. Usage: onnx.mjs MODEL BATCH SECONDS SIZE */

import { createRequire } from 'node:module';
import { nodePeers } from '../lib/places.mjs';
import { pixels, throughput } from '../lib/throughput.mjs';

const require = createRequire(`${nodePeers}/package.json`);
const { InferenceSession, Tensor } = require('onnxruntime-node');

const [model = '', batch = '16', seconds = '5', size = '224'] = process.argv.slice(2);
const shape = [Number(batch), 3, Number(size), Number(size)];
const session = await InferenceSession.create(model, { graphOptimizationLevel: 'all' });
const images = new Tensor('float32', pixels(shape), shape);
const call = async () => {
  const { logits } = await session.run({ images });
  return logits.data;
};
process.stdout.write(`${JSON.stringify(await throughput(call, Number(batch), Number(seconds)))}\n`);
