/** ResNet-50's operations by unit, from its shape alone, and the speed that a rate of matrix products allows. */

export const units = [
  'stem',
  ...[3, 4, 6, 3].flatMap((blocks, stage) => Array.from({ length: blocks }, (_, i) => `layer${stage + 1}.${i}`)),
  'head',
];

/**
 * Floating-point operations (a multiplication and an addition are two) of one image's forward pass, a figure for each
 * of `units`. Convolutions and linear layers alone.
 *
 * @param {number} size side of the image, pixels
 * @param {readonly number[]} widths of the head
 * @returns {readonly number[]}
 */
export function forwardOperations(size = 224, widths = [1024, 2]) {
  const halved = (/** @type {number} */ side) => Math.floor((side - 1) / 2) + 1;
  const convolution = (/** @type {number} */ side, /** @type {number} */ taps) => 2 * side * side * taps;
  let side = halved(size);
  const operations = [convolution(side, 3 * 64 * 49)];
  side = halved(side);
  let channels = 64;
  for (const [stage, blocks] of [3, 4, 6, 3].entries()) {
    const width = 64 << stage;
    for (let block = 0; block < blocks; block++) {
      const out = stage > 0 && block === 0 ? halved(side) : side;
      let sum = convolution(side, channels * width) + convolution(out, 9 * width * width);
      sum += convolution(out, 4 * width * width);
      if (block === 0) sum += convolution(out, 4 * width * channels);
      operations.push(sum);
      side = out;
      channels = 4 * width;
    }
  }
  let input = channels;
  let head = 0;
  for (const width of widths) {
    head += 2 * input * width;
    input = width;
  }
  return [...operations, head];
}

/**
 * Operations of a training step for one image: the whole forward, and twice the forward of what trains.
 *
 * @param {number} frozen units from the input that are frozen
 * @param {boolean} cached whether the frozen part's outputs are at hand
 * @param {number} [size]
 */
export function trainingOperations(frozen, cached = false, size = 224) {
  const forward = forwardOperations(size);
  const sum = (/** @type {readonly number[]} */ values) => values.reduce((total, value) => total + value, 0);
  return sum(forward.slice(0, frozen)) * (cached ? 0 : 1) + 3 * sum(forward.slice(frozen));
}
