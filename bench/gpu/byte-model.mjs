/**
 * What a training step of ResNet-50 must move through a card's memory, and compute, by class: from the shapes of its layers
 * alone. Where figures come close to these, memory is the limit; where they do not, something else is.
 *
 * A kernel is taken to read each of its inputs once and to write each of its outputs once: what a cache saves or a second
 * reading costs is not in it. Sums by channel, weights and the optimizer's state do not grow with the batch and are left out.
 */

/**
 * @typedef {object} Layer a convolution and the BatchNorm behind it
 * @property {string} name
 * @property {number} inputs values that it reads of an image, and `outputs` that it writes
 * @property {number} outputs
 * @property {number} operations of its forward: two a multiplication and addition
 * @property {'stem' | 'relu' | 'add' | 'downsample'} ends in ReLU and the pool, ReLU, the addition and ReLU, or the addition
 *   of another branch
 */

/** @typedef {{ convolution: number, norm: number, rest: number }} Bytes of one image in one step */

const stages = [
  { blocks: 3, width: 64 },
  { blocks: 4, width: 128 },
  { blocks: 6, width: 256 },
  { blocks: 3, width: 512 },
];

/** The 53 convolutions of ResNet-50 (torchvision's: a stage strides in its first 3×3). @param {number} size pixels @returns {Layer[]} */
export function layersOf(size) {
  /** @type {Layer[]} */
  const layers = [];
  /** @param {string} name @param {number} from @param {number} to @param {number} kernel @param {number} before @param {number} after @param {Layer['ends']} ends */
  const add = (name, from, to, kernel, before, after, ends) => {
    const operations = 2 * from * to * kernel * kernel * after * after;
    layers.push({ name, inputs: from * before * before, outputs: to * after * after, operations, ends });
  };
  const half = (/** @type {number} */ side) => Math.ceil(side / 2);
  add('conv1', 3, 64, 7, size, half(size), 'stem');
  let side = half(half(size));
  let channels = 64;
  for (const [stage, { blocks, width }] of stages.entries()) {
    for (let block = 0; block < blocks; block++) {
      const after = stage > 0 && block === 0 ? half(side) : side;
      const name = `layer${stage + 1}.${block}`;
      add(`${name}.conv1`, channels, width, 1, side, side, 'relu');
      add(`${name}.conv2`, width, width, 3, side, after, 'relu');
      add(`${name}.conv3`, width, 4 * width, 1, after, after, 'add');
      if (block === 0) add(`${name}.downsample`, channels, 4 * width, 1, side, after, 'downsample');
      channels = 4 * width;
      side = after;
    }
  }
  return layers;
}

/** Operations of one image: forward, and twice that backward but for the gradient of the image itself. @param {number} size */
export function operationsOf(size) {
  return layersOf(size).reduce((sum, { operations, ends }) => sum + (ends === 'stem' ? 2 : 3) * operations, 0);
}

/**
 * Values that BatchNorm, ReLU and addition move for a value of the layer's output, by the kernels of native/cuda/norm.h:
 * statistics read it; forward reads and writes it; backward reads it and its gradient twice, and writes the gradient. The
 * addition's ReLU is kept as one bit, and the gradient behind it is written once for both branches.
 *
 * @param {Layer['ends']} ends
 * @param {number} valueBits of a value
 */
function sweeps(ends, valueBits) {
  const mask = 1 / valueBits;
  switch (ends) {
    case 'relu':
      return 1 + 2 + 2 + 3;
    case 'add':
      // Forward reads both branches; backward reads the gradients of both ways on, and x, and writes g; then g and x, dx.
      return 1 + 3 + mask + (2 + 1 + mask + 1) + 3;
    case 'downsample':
      // Its values are the other branch's, which `add` counts in forward; backward reads them for the sums, then g and it, dz.
      return 1 + 1 + 3;
    case 'stem':
      // Pooled as it is normalised: a quarter is written, with a byte for each; backward writes g, and then reads and writes it.
      return 1 + (1 + 1 / 4 + 8 / valueBits / 4) + (1 / 4 + 8 / valueBits / 4 + 1 + 1) + 3;
  }
}

/**
 * @param {number} size pixels of the images' sides
 * @param {number} valueBytes of a value: 2, or 4 in float32
 * @returns {Bytes} of one image in one step of training everything
 */
export function bytesOf(size, valueBytes) {
  const bytes = { convolution: 0, norm: 0, rest: 0 };
  for (const { inputs, outputs, ends } of layersOf(size)) {
    // Forward, the gradient of the weight and, but for the image, that of the input: each meets both.
    bytes.convolution += (ends === 'stem' ? 2 : 3) * (inputs + outputs) * valueBytes;
    bytes.norm += sweeps(ends, 8 * valueBytes) * outputs * valueBytes;
  }
  // The image as bytes, read, and as values, written.
  bytes.rest = 3 * size * size * (1 + valueBytes);
  return bytes;
}

/** Channels of an image on a device: the fourth is zero. */
const imageChannels = 4;

/**
 * Bytes of one image through the whole backbone without gradients, which is feature extraction, and prediction but for
 * the head: BatchNorm is folded into the convolutions, and bias, ReLU and addition go with their outputs. cuDNN fuses
 * them where a ReLU follows. The two biases that none follows, the stem's and a shortcut's, are added by what reads
 * next: pooling, and the convolution that the shortcut is added to. An operation of its own would read and write those
 * outputs once more, which is what `separateBiases` counts.
 *
 * @param {number} size pixels of the images' sides
 * @param {number} valueBytes of a value: 2, or 4 in float32
 * @param {{ separateBiases?: boolean }} [options]
 * @returns {Bytes} `norm` is what biases and pooling move beside the convolutions
 */
export function inferenceBytesOf(size, valueBytes, { separateBiases = false } = {}) {
  const bytes = { convolution: 0, norm: 0, rest: 0 };
  const layers = layersOf(size);
  for (const { inputs, outputs, ends } of layers) {
    const read = ends === 'stem' ? imageChannels * size * size : inputs;
    // The last convolution of a block reads the shortcut too.
    bytes.convolution += (read + outputs + (ends === 'add' ? outputs : 0)) * valueBytes;
    if (ends === 'stem') bytes.norm += (outputs + outputs / 4) * valueBytes;
    if (separateBiases && (ends === 'stem' || ends === 'downsample')) bytes.norm += 2 * outputs * valueBytes;
  }
  // The image as bytes, read, and as values, written; the last output, read for its averages.
  const last = layers.at(-1)?.outputs ?? 0;
  bytes.rest = size * size * (3 + imageChannels * valueBytes) + last * valueBytes;
  return bytes;
}

/**
 * Milliseconds of a step where memory, or for convolutions the arithmetic where that takes longer, is the limit.
 *
 * @param {{ size: number, batch: number, valueBytes: number, bandwidth: number, operations: number }} job bytes and
 *   operations a second that the card has
 */
export function boundsOf({ size, batch, valueBytes, bandwidth, operations }) {
  const bytes = bytesOf(size, valueBytes);
  const moved = (/** @type {number} */ value) => (1000 * batch * value) / bandwidth;
  const computed = (1000 * batch * operationsOf(size)) / operations;
  return {
    convolution: Math.max(moved(bytes.convolution), computed),
    norm: moved(bytes.norm),
    rest: moved(bytes.rest),
  };
}
