#!/usr/bin/env node
/**
 * Prints as JSON what the addon of the variant that RESNET_TORCH_VARIANT names says of itself, and what a small network
 * of random weights makes of two small images of numbers.
 */

import { ResNet50 } from '../../dist/src/index.js';
import { native } from '../../dist/src/native/load.js';

const shape = /** @type {const} */ ([2, 3, 32, 32]);
const images = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i * 0.37) * 1.5);
const model = await ResNet50.create({ classes: 3, weights: 'none', seed: 1 });
const { device } = model;
const { data } = await model.forward(images, shape);
model.dispose();
const { variant, runtimeLibtorch, cudaDevices } = native().info();
process.stdout.write(
  `${JSON.stringify({
    variant,
    libtorch: runtimeLibtorch,
    devices: cudaDevices,
    device,
    cuda: native().cudaStatus(),
    logits: [...data],
  })}\n`,
);
