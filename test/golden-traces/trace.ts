import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { ResNet50 } from '../../src/model/resnet50.js';
import type { TrainingEvent } from '../../src/training/events.js';
import { sizeOf } from '../parity/recipe.js';
import { digestByUnit, type NamedTensor, unitOf } from './digest.js';
import { readFile } from './files.js';
import type { Place } from './place.js';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface TraceOptions {
  /** Hash every tensor too. */
  readonly bits: boolean;
}

/**
 * What is left out of a trace, wherever it stands: times and dates, versions, what depends on the machine's memory, and
 * sentences, which may be put better without a change of behaviour.
 */
const LEFT_OUT = new Set(['seconds', 'created', 'versions', 'times', 'message', 'cacheNote', 'imageCache']);

/** A value as JSON has it, without what is left out, and with places of the machine replaced by what they are. */
export function plain(value: unknown, { root }: Place): Json {
  const walk = (part: unknown, key: string): Json => {
    if (typeof part === 'string') return replaced(part, key, root, walk);
    if (Array.isArray(part)) return part.map((item) => walk(item, ''));
    if (typeof part !== 'object' || part === null) return part as Json;
    return Object.fromEntries(
      Object.entries(part)
        .filter(([name, each]) => !LEFT_OUT.has(name) && each !== undefined)
        .map(([name, each]) => [name, walk(each, name)]),
    );
  };
  return walk(value, '');
}

function replaced(text: string, key: string, root: string, walk: (part: unknown, key: string) => Json): Json {
  // Metadata of checkpoints are JSON in strings.
  if (text.startsWith('{') || text.startsWith('[')) {
    try {
      return walk(JSON.parse(text), key);
    } catch {
      return text;
    }
  }
  if (!text.includes(root)) return text;
  // A feature store is named by versions and weights.
  return text.replaceAll(root, '<place>').replace(/[0-9a-f]{32}/, '<key>');
}

/**
 * Events in their order; checkpoints and what was left out apart, since they are told of when the disk and the decoders
 * are done.
 */
export function traceEvents(events: readonly TrainingEvent[], place: Place): Json {
  const aside = (type: TrainingEvent['type']) => events.filter((event) => event.type === type);
  const told = events.filter(({ type }) => type !== 'checkpoint' && type !== 'skipped');
  return plain({ events: told, checkpoints: aside('checkpoint'), skipped: aside('skipped') }, place);
}

/** What is looked at: the values of these units, or of all where bits are compared. */
export interface Look extends TraceOptions {
  readonly units: ReadonlySet<string>;
}

/** All files of a run directory: JSON as it is, tensors by unit. */
export function traceDirectory(folder: string, place: Place, look: Look): Json {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
  return Object.fromEntries(names.map((name) => [name, traceFile(join(folder, name), place, look)]));
}

function traceFile(path: string, place: Place, { units, bits }: Look): Json {
  if (path.endsWith('.json')) return plain(JSON.parse(readFileSync(path, 'utf8')), place);
  if (path.endsWith('.jsonl')) {
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    return traceEvents(
      lines.map((line) => JSON.parse(line) as TrainingEvent),
      place,
    );
  }
  if (!/\.(safetensors|state)$/.test(path)) return readFileSync(path).length;
  const { tensors, metadata } = readFile(path, (name) => bits || units.has(unitOf(name)));
  return { metadata: plain(metadata, place), tensors: digestByUnit(tensors, bits) } as unknown as Json;
}

/** Numbers of the largest tensors whose values are looked at where bits are not: how far the others moved is in the drift. */
const MOST_VALUES = 2 ** 18;

/** A model in memory; of the units that are not looked at, a hash over every byte. */
export async function traceModel(model: ResNet50, { units, bits }: Look): Promise<Json> {
  const frozen = model.units().findIndex(({ name }) => units.has(name));
  const tensors: NamedTensor[] = [];
  for (const { name, shape } of model.handle.tensors()) {
    if (!bits && !units.has(unitOf(name))) continue;
    const values = bits || sizeOf(shape) <= MOST_VALUES ? await model.handle.read(name) : null;
    tensors.push({ name, shape, dtype: model.dtype, values });
  }
  const prefix = frozen > 0 ? { units: frozen, hash: await model.handle.prefixHash(frozen) } : null;
  return { prefix, ...digestByUnit(tensors, bits) } as unknown as Json;
}
