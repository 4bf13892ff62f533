import type { Note } from '../../notes.js';
import { architectureOf, DEFAULT_ARCHITECTURE } from '../architecture.js';
import { type Backbone, describePlace, findBackbone, isPlain, nameIn, unwrapped } from './backbone.js';
import { backboneNames, recognise } from './family.js';
import { type FoundHead, findHead } from './head-names.js';
import { nestRank, type TensorGroup, type TensorSource } from './source.js';
import { formatError, listNames, printable, type StoredTensor, type TensorTable } from './table.js';

/** What thop leaves in the modules whose operations it counted. */
const COUNTED = /\.total_(?:ops|params)$/;
/**
 * The network of a file with the head that belongs to it, by torchvision's names. Where no network is found, all names
 * of the likeliest group are left as they are, for `matchWeights` to say what is missing.
 *
 * @throws ResnetTorchError `ERR_SHAPE_MISMATCH` for a network that is no member of the family, `ERR_WEIGHTS_FORMAT` for several
 *   networks of which none is likelier, or tensors that are damaged
 */
export async function selectWeights(source: TensorSource): Promise<TensorTable> {
  const found = findBackbone(source);
  if (found === null) return wholeGroup(source);
  const { backbone, others } = found;
  const { tensors } = backbone.group;
  const network = chosenNames(backbone, null);
  const arch = recognise(
    source.path,
    new Map([...network].flatMap(([ours, theirs]) => [[ours, tensors.get(theirs) ?? { shape: [] }]])),
  );
  const { features } = architectureOf(arch ?? DEFAULT_ARCHITECTURE);
  const names = hasProjector(backbone) ? network : chosenNames(backbone, findHead(backbone, features));
  const taken = new Set(names.values());
  const elsewhere = others.filter(({ group }) => group === backbone.group);
  const known = backboneNames(arch ?? DEFAULT_ARCHITECTURE);
  const isOther = (name: string) => elsewhere.some((other) => isOf(other, name, known));
  const left = [...tensors.keys()].filter((name) => !taken.has(name) && !isOther(name));
  return {
    path: source.path,
    format: source.format,
    arch,
    tensors: await locateAll(backbone.group, names),
    others: left,
    notes: notesOn(backbone, others, names),
    metadata: source.metadata,
  };
}

/** All tensors of a file that is no network, such as an optimizer's state, by the names that they have. */
export async function wholeGroup(source: TensorSource): Promise<TensorTable> {
  const [group] = [...source.groups].sort((a, b) => nestRank(a) - nestRank(b));
  const names = new Map<string, string>();
  for (const name of group?.tensors.keys() ?? []) {
    const ours = unwrapped(name);
    if (names.has(ours))
      throw formatError(source.path, `holds the tensor ${printable(ours)} twice, once as ${printable(name)}.`);
    names.set(ours, name);
  }
  return {
    path: source.path,
    format: source.format,
    arch: null,
    tensors: group === undefined ? new Map() : await locateAll(group, names),
    others: [],
    notes: [],
    metadata: source.metadata,
  };
}

/** Whether a name is of another network, which is said as a whole. */
function isOf(backbone: Backbone, name: string, known: ReadonlySet<string>): boolean {
  const ours = nameIn(backbone, name);
  return ours !== null && (backbone.prefix !== '' || known.has(ours));
}

/** Encoders of contrastive training, such as MoCo's, have a projector in the place of `fc`, which tells no classes apart. */
function hasProjector({ prefix }: Backbone): boolean {
  return /(?:^|[._])(?:encoder_[qk]|base_encoder|momentum_encoder)\.$/.test(prefix);
}

/** Our names to those of the file, in the file's order. */
function chosenNames(backbone: Backbone, head: FoundHead | null): ReadonlyMap<string, string> {
  const ours = new Map([...(head?.names ?? [])].map(([name, theirs]) => [theirs, name]));
  const names = new Map<string, string>();
  for (const theirs of backbone.group.tensors.keys()) {
    const name = ours.get(theirs) ?? networkName(backbone, theirs, head !== null);
    if (name !== null) names.set(name, theirs);
  }
  return names;
}

/** Names of the network, and of a head under `fc` that is not plain: what it is, the user is told. */
function networkName(backbone: Backbone, theirs: string, hasHead: boolean): string | null {
  const name = nameIn(backbone, theirs);
  if (name === null) return null;
  if (/^(?:conv1|bn1|layer\d+)\./.test(name)) return COUNTED.test(name) ? null : name;
  return name.startsWith('fc.') && !hasHead && !hasProjector(backbone) ? name : null;
}

async function locateAll(
  group: TensorGroup,
  names: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, StoredTensor>> {
  const tensors = new Map<string, StoredTensor>();
  for (const [ours, theirs] of names) {
    const stored = await group.tensors.get(theirs)?.locate(theirs);
    if (stored !== undefined) tensors.set(ours, { ...stored, name: ours });
  }
  return tensors;
}

function notesOn(backbone: Backbone, others: readonly Backbone[], names: ReadonlyMap<string, string>): readonly Note[] {
  const notes: Note[] = [];
  if (others.length > 0 || !isPlain(backbone)) {
    const left = others.length === 0 ? '' : ` Not taken: ${listNames(others.map(describePlace), 5)}.`;
    const numbered = backbone.numbered ? ', numbered as the children of a network in an nn.Sequential' : '';
    notes.push({
      code: 'network-place',
      message: `The network was taken from ${describePlace(backbone)}${numbered}.${left}`,
    });
  }
  const head = names.get('fc.weight') ?? names.get('fc.0.weight');
  if (head !== undefined && !/^fc\.(?:0\.)?weight$/.test(nameIn(backbone, head) ?? '')) {
    notes.push({
      code: 'head-place',
      message: `The head was taken from ${printable(head.replace(/\.weight$/, ''))}.`,
    });
  }
  return notes;
}
