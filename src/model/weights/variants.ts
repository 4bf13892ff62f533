/** Changes to torchvision's networks that timm's models of similar names have, told by tensors that only they hold. */

interface Shaped {
  readonly shape: readonly number[];
}

/** A change, as a name has it and as people say it. */
type Variant = 'deepStem' | 'averagedShortcut' | 'squeezeExcite' | 'channelAttention' | 'splitAttention' | 'scales';

const WORDS: Readonly<Record<Variant, string>> = {
  deepStem: 'a stem of three convolutions',
  averagedShortcut: 'shortcuts that average before they project',
  squeezeExcite: 'squeeze-and-excitation',
  channelAttention: 'efficient channel attention',
  splitAttention: 'split attention',
  scales: 'several scales in a block',
};

const SIGNS: readonly (readonly [Variant, (name: string, shape: readonly number[]) => boolean])[] = [
  ['deepStem', (name) => name === 'conv1.0.weight'],
  ['averagedShortcut', (name, shape) => /\.downsample\.1\.weight$/.test(name) && shape.length === 4],
  ['squeezeExcite', (name) => /\.(?:se|se_module)\.fc1\.weight$/.test(name)],
  ['channelAttention', (name) => /\.se\.conv\.weight$/.test(name)],
  ['splitAttention', (name) => /\.conv2\.fc1\.weight$/.test(name)],
  ['scales', (name) => /\.convs\.0\.weight$/.test(name)],
];

/** The changes that some tensors show; none for torchvision's own networks. */
export function variantsOf(tensors: ReadonlyMap<string, Shaped>): readonly Variant[] {
  const entries = [...tensors];
  return SIGNS.flatMap(([variant, test]) => (entries.some(([name, { shape }]) => test(name, shape)) ? [variant] : []));
}

/** `a stem of three convolutions, shortcuts that average before they project and squeeze-and-excitation`. */
export function describeVariants(variants: readonly Variant[]): string {
  const words = variants.map((variant) => WORDS[variant]);
  return [words.slice(0, -1).join(', '), ...words.slice(-1)].filter((part) => part !== '').join(' and ');
}

/** timm's name of a network with these changes, such as `resnet50d` or `seresnet50`; null where it is not known. */
export function nameOfVariant(
  base: string,
  variants: readonly Variant[],
  tensors: ReadonlyMap<string, Shaped>,
): string | null {
  const has = (variant: Variant): boolean => variants.includes(variant);
  if (has('scales')) return null;
  if (has('splitAttention')) return has('deepStem') ? `${base.replace('resnet', 'resnest')}d` : null;
  const attention = has('squeezeExcite') ? 'se' : has('channelAttention') ? 'eca' : '';
  if (!has('deepStem')) return has('averagedShortcut') ? null : `${attention}${base}`;
  const name = `${attention}${base}${stemLetter(tensors, has('averagedShortcut'))}`;
  const [squeezed = 0, channels = 0] = tensors.get('layer1.0.se.fc1.weight')?.shape ?? [];
  // ResNet-RS squeezes to a quarter, where others go to a sixteenth.
  return channels > 0 && channels === 4 * squeezed ? base.replace('resnet', 'resnetrs') : name;
}

/** As timm names stems: `d` and `c` with and without averaged shortcuts, `t` with a narrow start, `s` a wide one. */
function stemLetter(tensors: ReadonlyMap<string, Shaped>, isAveraged: boolean): string {
  const first = tensors.get('conv1.0.weight')?.shape[0];
  if (first === 64) return 's';
  if (first === 24) return 't';
  return isAveraged ? 'd' : 'c';
}
