/** Which class of work a kernel belongs to, by its name in a profile. */

/** @typedef {'convolution' | 'norm' | 'rest' | 'copies'} KernelClass `copies` are those between the host and the device */

/** Ours that are BatchNorm, ReLU, addition and pooling, as native/cuda names them; the others of ours are of the rest. */
export const normKernels = ['moments', 'moveRunning', 'apply', 'reluSums', 'addReluSums', 'gradient', 'pool', 'gather'];
const own = /resnet_torch::cuda::(?:\(anonymous namespace\)::)?(\w+)/;
/** Other programs': of cuDNN, and of PyTorch's own. */
const norm = /batch_?norm|bn_(fw|bw)|BatchNorm/i;
const convolution =
  /conv|cudnn|xmma|fprop|dgrad|wgrad|implicit|winograd|nchwToNhwc|nhwcToNchw|s\d+(gemm|cudnn)|sm\d+_|cutlass|nvjet|gemm/i;

/** A device has engines of their own for these: they run beside its kernels. Copies within it are work like other. */
const copies = /^Memcpy (HtoD|DtoH)/;

/** @param {string} name @returns {KernelClass} */
export function classOf(name) {
  if (copies.test(name)) return 'copies';
  const ours = own.exec(name)?.[1];
  if (ours !== undefined) return normKernels.includes(ours) ? 'norm' : 'rest';
  if (norm.test(name)) return 'norm';
  return convolution.test(name) ? 'convolution' : 'rest';
}

/**
 * Milliseconds of a device by class, and what took the longest. It was busy while its kernels ran: copies to and from the host
 * run beside them.
 *
 * @param {readonly { name: string, onDevice: boolean, count: number, ms: number }[]} profile
 */
export function byClass(profile) {
  const classes = { convolution: 0, norm: 0, rest: 0, copies: 0 };
  const kernels = profile.filter(({ onDevice }) => onDevice);
  for (const { name, ms } of kernels) classes[classOf(name)] += ms;
  const busy = classes.convolution + classes.norm + classes.rest;
  const longest = [...kernels].sort((a, b) => b.ms - a.ms).slice(0, 12);
  return { classes, busy, longest: longest.map((kernel) => ({ ...kernel, class: classOf(kernel.name) })) };
}
