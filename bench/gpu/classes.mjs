/** Which class of work a kernel belongs to, by its name in a profile. */

/** @typedef {'convolution' | 'norm' | 'rest'} KernelClass */

/** Ours that are BatchNorm, ReLU, addition and pooling, as native/cuda names them; the others of ours are of the rest. */
export const normKernels = [
  'moments',
  'finishStatistics',
  'moveRunning',
  'apply',
  'reluSums',
  'addReluSums',
  'finishGradients',
  'gradient',
  'pool',
  'gather',
];
const own = /resnet_torch::cuda::(?:\(anonymous namespace\)::)?(\w+)/;
/** Other programs': of cuDNN, and of PyTorch's own. */
const norm = /batch_?norm|bn_(fw|bw)|BatchNorm/i;
const convolution =
  /conv|cudnn|xmma|fprop|dgrad|wgrad|implicit|winograd|nchwToNhwc|nhwcToNchw|s\d+(gemm|cudnn)|sm\d+_|cutlass|nvjet|gemm/i;

/** @param {string} name @returns {KernelClass} */
export function classOf(name) {
  const ours = own.exec(name)?.[1];
  if (ours !== undefined) return normKernels.includes(ours) ? 'norm' : 'rest';
  if (norm.test(name)) return 'norm';
  return convolution.test(name) ? 'convolution' : 'rest';
}

/**
 * Milliseconds of a device by class, and what took the longest.
 *
 * @param {readonly { name: string, onDevice: boolean, count: number, ms: number }[]} profile
 */
export function byClass(profile) {
  const classes = { convolution: 0, norm: 0, rest: 0 };
  const kernels = profile.filter(({ onDevice }) => onDevice);
  for (const { name, ms } of kernels) classes[classOf(name)] += ms;
  const busy = classes.convolution + classes.norm + classes.rest;
  const longest = [...kernels].sort((a, b) => b.ms - a.ms).slice(0, 12);
  return { classes, busy, longest: longest.map((kernel) => ({ ...kernel, class: classOf(kernel.name) })) };
}
