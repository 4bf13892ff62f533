import { ARCHITECTURE_NAMES, type ArchitectureName } from '../architecture.js';

/** What published weights are called, behind the name of their architecture: trained on ImageNet-1k, 1000 classes. */
export type WeightsName = 'imagenet-v1' | 'imagenet-v2';

/** Weights with a name of their own, as torchvision publishes them. */
export interface NamedWeights {
  readonly arch: ArchitectureName;
  readonly name: WeightsName;
  /** File name at the download host. As with all of torchvision's, it ends in the first digits of its SHA-256. */
  readonly file: string;
  /** Short side before the centre crop, and the crop, in pixels, with which the published accuracy was measured. */
  readonly preprocessing: Preprocessing;
}

/** How images are prepared for evaluation, in pixels. */
export interface Preprocessing {
  readonly resize: number;
  readonly crop: number;
}

/** Where torchvision's weights are published. */
export const DOWNLOAD_BASE = 'https://download.pytorch.org/models/';

const PLAIN: Preprocessing = { resize: 256, crop: 224 };
/** Of the recipe that torchvision trained its second weights with. */
const SECOND: Preprocessing = { resize: 232, crop: 224 };

/** `IMAGENET1K_V1` and `IMAGENET1K_V2` of torchvision 0.29.1, `torchvision/models/resnet.py`. */
export const NAMED_WEIGHTS: readonly NamedWeights[] = [
  { arch: 'resnet18', name: 'imagenet-v1', file: 'resnet18-f37072fd.pth', preprocessing: PLAIN },
  { arch: 'resnet34', name: 'imagenet-v1', file: 'resnet34-b627a593.pth', preprocessing: PLAIN },
  { arch: 'resnet50', name: 'imagenet-v1', file: 'resnet50-0676ba61.pth', preprocessing: PLAIN },
  { arch: 'resnet50', name: 'imagenet-v2', file: 'resnet50-11ad3fa6.pth', preprocessing: SECOND },
  { arch: 'resnet101', name: 'imagenet-v1', file: 'resnet101-63fe2227.pth', preprocessing: PLAIN },
  { arch: 'resnet101', name: 'imagenet-v2', file: 'resnet101-cd907fc2.pth', preprocessing: SECOND },
  { arch: 'resnet152', name: 'imagenet-v1', file: 'resnet152-394f9c45.pth', preprocessing: PLAIN },
  { arch: 'resnet152', name: 'imagenet-v2', file: 'resnet152-f82ba261.pth', preprocessing: SECOND },
  { arch: 'resnext50_32x4d', name: 'imagenet-v1', file: 'resnext50_32x4d-7cdf4587.pth', preprocessing: PLAIN },
  { arch: 'resnext50_32x4d', name: 'imagenet-v2', file: 'resnext50_32x4d-1a0047aa.pth', preprocessing: SECOND },
  { arch: 'resnext101_32x8d', name: 'imagenet-v1', file: 'resnext101_32x8d-8ba56ff5.pth', preprocessing: PLAIN },
  { arch: 'resnext101_32x8d', name: 'imagenet-v2', file: 'resnext101_32x8d-110c445d.pth', preprocessing: SECOND },
  // The first weights of this one come from the second recipe.
  { arch: 'resnext101_64x4d', name: 'imagenet-v1', file: 'resnext101_64x4d-173b62eb.pth', preprocessing: SECOND },
  { arch: 'wide_resnet50_2', name: 'imagenet-v1', file: 'wide_resnet50_2-95faca4d.pth', preprocessing: PLAIN },
  { arch: 'wide_resnet50_2', name: 'imagenet-v2', file: 'wide_resnet50_2-9ba9bcbe.pth', preprocessing: SECOND },
  { arch: 'wide_resnet101_2', name: 'imagenet-v1', file: 'wide_resnet101_2-32ee1156.pth', preprocessing: PLAIN },
  { arch: 'wide_resnet101_2', name: 'imagenet-v2', file: 'wide_resnet101_2-d733dc28.pth', preprocessing: SECOND },
];

const WEIGHTS_NAMES: readonly WeightsName[] = ['imagenet-v1', 'imagenet-v2'];

/** What a source names: an architecture or null, and which of its weights. */
export interface NamedSource {
  readonly arch: ArchitectureName | null;
  readonly name: WeightsName;
}

/** Reads `imagenet-v2` and `resnet18:imagenet-v1`; null for what is no such name. */
export function readNamedSource(source: string): NamedSource | null {
  const [first = '', second, ...more] = source.split(':');
  const name = WEIGHTS_NAMES.find((known) => known === (second ?? first));
  if (name === undefined || more.length > 0) return null;
  if (second === undefined) return { arch: null, name };
  const arch = ARCHITECTURE_NAMES.find((known) => known === first);
  return arch === undefined ? null : { arch, name };
}

/** Names of the weights of an architecture, the oldest first. */
export function weightsOf(arch: ArchitectureName, named: readonly NamedWeights[] = NAMED_WEIGHTS): WeightsName[] {
  return named.filter((weights) => weights.arch === arch).map(({ name }) => name);
}

/** The newest weights of an architecture, which it starts from where nothing else is said. */
export function defaultWeights(arch: ArchitectureName): WeightsName {
  return weightsOf(arch).at(-1) ?? 'imagenet-v1';
}

/** The SHA-256 digits in a file name such as `resnet50-11ad3fa6.pth`. */
export function hashPrefixOf(file: string): string {
  const digits = /-([0-9a-f]{8,64})\.[^.]+$/.exec(file)?.[1];
  if (digits === undefined) throw new RangeError(`no SHA-256 digits in the file name ${file}`);
  return digits;
}
