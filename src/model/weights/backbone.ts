/** Finds the network among a file's names, by what stands in front of `conv1.weight`, `bn1.weight`, … `layer4`. */

import { type FoundTensor, nestRank, type TensorGroup, type TensorSource, UNKNOWN_NEST } from './source.js';
import { formatError, printable } from './table.js';

/** A network in a file: the tensors of one group whose names begin alike. */
export interface Backbone {
  readonly group: TensorGroup;
  /** What stands before torchvision's names: `module.encoder_q.`, or nothing. */
  readonly prefix: string;
  /** Numbered as the children of torchvision's network in an `nn.Sequential`: `0` for `conv1`, `4` for `layer1`. */
  readonly numbered: boolean;
}

/** The names of its first blocks tell where a network begins. */
const ANCHORS = ['layer1.0.conv1.weight', 'layer2.0.conv1.weight'];
const NUMBERED_ANCHORS = ['4.0.conv1.weight', '5.0.conv1.weight', '0.weight'];
const CHILDREN: Readonly<Record<string, string>> = {
  '0': 'conv1',
  '1': 'bn1',
  '4': 'layer1',
  '5': 'layer2',
  '6': 'layer3',
  '7': 'layer4',
  '9': 'fc',
};

/** Words of a name or key, of several networks in a file, that say which of them its users take. */
const RANKS: readonly (readonly [RegExp, number])[] = [
  [/^(?:ema|teacher|averaged|swa)$/, 0],
  [/^(?:student)$/, 2],
  [/^(?:momentum|k|key|target)$/, 3],
];
const PLAIN_RANK = 1;

/** What `DataParallel`, `AveragedModel` and `torch.compile` put before every name, which says nothing. */
const WRAPPERS = /^(?:module\.|_orig_mod\.)+/;

/**
 * The network to take. Of several, averaged weights and teachers come first, as timm and DINO evaluate with them; then
 * the network itself, its student, and last a momentum encoder or target; among equals the usual keys of trainers.
 *
 * @returns `null` where there is none
 * @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` when several are equally likely
 */
export function findBackbone(source: TensorSource): {
  readonly backbone: Backbone;
  readonly others: readonly Backbone[];
} | null {
  const ranked = source.groups
    .flatMap(backbonesOf)
    .map((backbone) => ({ backbone, rank: [rankOf(backbone), nestRank(backbone.group)] as const }))
    .sort((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1]);
  const [first, ...rest] = ranked;
  if (first === undefined) return null;
  const others = rest.filter(({ backbone }) => !sameTensors(backbone, first.backbone));
  const equal = others.filter(({ rank }) => rank[0] === first.rank[0] && rank[1] === first.rank[1]);
  if (equal.length > 0) {
    const places = [first, ...equal].map(({ backbone }) => describePlace(backbone)).join('; ');
    throw formatError(
      source.path,
      `holds several networks, and nothing says which is meant: ${places}. In Python, save the one to use alone: ` +
        'torch.save(network.state_dict(), "weights.pth").',
    );
  }
  return { backbone: first.backbone, others: others.map(({ backbone }) => backbone) };
}

/** Torchvision's name of a tensor that belongs to the network, or `null` for any other. */
export function nameIn({ prefix, numbered }: Backbone, name: string): string | null {
  if (!name.startsWith(prefix)) return null;
  const rest = name.slice(prefix.length);
  if (!numbered) return rest;
  const [, child = '', tail = ''] = /^(\d+)(\..*)$/.exec(rest) ?? [];
  return CHILDREN[child] === undefined ? null : `${CHILDREN[child]}${tail}`;
}

/** `the names that begin with "module.encoder_q." under "state_dict"`. */
export function describePlace({ group, prefix }: Backbone): string {
  const names = prefix === '' ? 'the names without a prefix' : `the names that begin with "${printable(prefix)}"`;
  const { place } = group;
  return place.length === 0 ? names : `${names} under "${printable(place.join('.'))}"`;
}

/** Whether there is nothing to say about where it was: at a usual place, with usual names. */
export function isPlain({ group, prefix, numbered }: Backbone): boolean {
  return !numbered && prefix.replace(WRAPPERS, '') === '' && nestRank(group) < UNKNOWN_NEST;
}

/** A name without what wrappers put before it. */
export function unwrapped(name: string): string {
  return name.replace(WRAPPERS, '');
}

function backbonesOf(group: TensorGroup): readonly Backbone[] {
  const named = prefixes(group.tensors, ANCHORS).map((prefix) => ({ group, prefix, numbered: false }));
  const counted = prefixes(group.tensors, NUMBERED_ANCHORS).map((prefix) => ({ group, prefix, numbered: true }));
  return [...named, ...counted];
}

function prefixes(tensors: ReadonlyMap<string, FoundTensor>, anchors: readonly string[]): readonly string[] {
  const [first = ''] = anchors;
  return [...tensors.keys()]
    .filter((name) => name.endsWith(first))
    .map((name) => name.slice(0, -first.length))
    .filter((prefix) => prefix === '' || prefix.endsWith('.'))
    .filter((prefix) => anchors.every((anchor) => tensors.has(prefix + anchor)));
}

function rankOf({ group, prefix }: Backbone): number {
  const words = [...group.place, ...prefix.split('.')].flatMap((part) => part.toLowerCase().split('_'));
  const ranks = words.flatMap((word) => RANKS.flatMap(([pattern, rank]) => (pattern.test(word) ? [rank] : [])));
  return ranks[0] ?? PLAIN_RANK;
}

/** A wrapper that is saved with what it wraps names each tensor twice. */
function sameTensors(a: Backbone, b: Backbone): boolean {
  const [anchor = ''] = a.numbered ? NUMBERED_ANCHORS : ANCHORS;
  const [other = ''] = b.numbered ? NUMBERED_ANCHORS : ANCHORS;
  const identity = a.group.tensors.get(a.prefix + anchor)?.identity;
  return identity != null && identity === b.group.tensors.get(b.prefix + other)?.identity;
}
