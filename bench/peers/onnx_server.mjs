/**
 * A server of predictions as it is written without this package: fastify, sharp to decode and resize, onnxruntime-node in
 * float32. Prints its address as JSON. Usage: onnx_server.mjs MODEL SIZE RESIZE
 */

import { createRequire } from 'node:module';
import { nodePeers } from '../lib/places.mjs';

const require = createRequire(`${nodePeers}/package.json`);
const { fastify } = require('fastify');
const { InferenceSession, Tensor } = require('onnxruntime-node');
const sharp = require('sharp');

const [model = '', size = '224', resize = '256'] = process.argv.slice(2);
const side = Number(size);
const mean = [0.485, 0.456, 0.406];
const deviation = [0.229, 0.224, 0.225];
const session = await InferenceSession.create(model, { graphOptimizationLevel: 'all' });

/** @param {Buffer} image @returns {Promise<Float32Array>} normalised, [1, 3, side, side] */
async function preprocess(image) {
  const short = Number(resize);
  const { data, info } = await sharp(image)
    .rotate()
    .removeAlpha()
    .toColourspace('srgb')
    .resize(short, short, { fit: 'outside', kernel: 'linear' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const left = Math.round((info.width - side) / 2);
  const top = Math.round((info.height - side) / 2);
  const input = new Float32Array(3 * side * side);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const value = data[((y + top) * info.width + x + left) * info.channels + channel];
        input[(channel * side + y) * side + x] = (value / 255 - mean[channel]) / deviation[channel];
      }
    }
  }
  return input;
}

/** @param {ArrayLike<number>} logits */
function likeliest(logits) {
  const exponents = Array.from(logits, (value) => Math.exp(value - Math.max(...logits)));
  const sum = exponents.reduce((total, value) => total + value, 0);
  return exponents
    .map((value, index) => ({ index, probability: value / sum }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, 5);
}

const app = fastify({ bodyLimit: 16 * 2 ** 20 });
app.addContentTypeParser('image/jpeg', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/v1/predict', async (request) => {
  const input = await preprocess(request.body);
  const { logits } = await session.run({ images: new Tensor('float32', input, [1, 3, side, side]) });
  return { predictions: likeliest(logits.data) };
});
process.stdout.write(`${JSON.stringify({ address: await app.listen({ port: 0, host: '127.0.0.1' }) })}\n`);
