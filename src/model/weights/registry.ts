/** Weights with a name of their own, as torchvision publishes them. Both are trained on ImageNet-1k: 1000 classes. */
export interface NamedWeights {
  readonly name: 'imagenet-v1' | 'imagenet-v2';
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

/** `ResNet50_Weights.IMAGENET1K_V1` and `IMAGENET1K_V2` of torchvision. */
export const NAMED_WEIGHTS: readonly NamedWeights[] = [
  {
    name: 'imagenet-v1',
    file: 'resnet50-0676ba61.pth',
    preprocessing: { resize: 256, crop: 224 },
  },
  {
    name: 'imagenet-v2',
    file: 'resnet50-11ad3fa6.pth',
    preprocessing: { resize: 232, crop: 224 },
  },
];

/** The SHA-256 digits in a file name such as `resnet50-11ad3fa6.pth`. */
export function hashPrefixOf(file: string): string {
  const digits = /-([0-9a-f]{8,64})\.[^.]+$/.exec(file)?.[1];
  if (digits === undefined) throw new RangeError(`no SHA-256 digits in the file name ${file}`);
  return digits;
}
