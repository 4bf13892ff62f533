import { createHash } from 'node:crypto';
import { sizeOf } from '../parity/recipe.js';
import type { Values } from '../parity/safetensors.js';

/**
 * Tensors that belong together: how they are called and shaped, exactly, and what is in them, in two numbers. Frozen ones,
 * which are the same to the bit, have no numbers.
 */
export interface Digest {
  readonly tensors: number;
  readonly values: number;
  /** Of names, shapes and dtypes in their order. */
  readonly layout: string;
  /** The L2 norm, and the sum under random signs. */
  readonly norm?: number;
  readonly sum?: number;
  /** SHA-256 of the values' bytes by tensor; where traces are compared bit for bit. */
  readonly bits?: Readonly<Record<string, string>>;
}

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** Null where they are not looked at. */
  readonly values: Values | null;
}

/** Digests by unit of the network, running statistics and each state of the optimizer apart. */
export function digestByUnit(tensors: Iterable<NamedTensor>, withBits: boolean): Readonly<Record<string, Digest>> {
  const parts = new Map<string, NamedTensor[]>();
  for (const tensor of tensors) {
    const part = partOf(tensor.name);
    const known = parts.get(part);
    if (known === undefined) parts.set(part, [tensor]);
    else known.push(tensor);
  }
  return Object.fromEntries([...parts].map(([part, own]) => [part, digestOf(own, withBits)]));
}

export function digestOf(tensors: readonly NamedTensor[], withBits: boolean): Digest {
  const layout = createHash('sha256');
  for (const { name, shape, dtype } of tensors) layout.update(`${name} ${shape.join('x')} ${dtype}\n`);
  return {
    tensors: tensors.length,
    values: tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    layout: layout.digest('hex').slice(0, 16),
    ...numbersOf(tensors.flatMap(({ values }) => (values === null ? [] : [values]))),
    ...(withBits ? { bits: Object.fromEntries(tensors.map(({ name, values }) => [name, hashOf(values)])) } : {}),
  };
}

function numbersOf(tensors: readonly Values[]): Pick<Digest, 'norm' | 'sum'> {
  if (tensors.length === 0) return {};
  let [squares, sum] = [0, 0];
  for (const values of tensors) {
    const [ownSquares, ownSum] = sums(values instanceof BigInt64Array ? Float64Array.from(values, Number) : values);
    squares += ownSquares;
    sum += ownSum;
  }
  return { norm: Math.sqrt(squares), sum };
}

/** The signs are bits of a linear congruential generator, whose state depends on the position alone. */
function sums(values: Exclude<Values, BigInt64Array>): readonly [squares: number, sum: number] {
  let [squares, sum, state] = [0, 0, 1];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    squares += value * value;
    sum += state < 0 ? -value : value;
  }
  return [squares, sum];
}

export function hashOf(values: Values | null): string {
  if (values === null) return '';
  return createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');
}

const STATISTICS = /\.(running_mean|running_var|num_batches_tracked)$/;
const OF_UNIT = /^(layer\d\.\d+)\./;
const OF_STATE = /\.(weight|bias)\.(\w+)$/;

/** Torchvision's names by unit. */
export function unitOf(name: string): string {
  return OF_UNIT.exec(name)?.[1] ?? (name.startsWith('fc.') ? 'head' : 'stem');
}

function partOf(name: string): string {
  const unit = unitOf(name);
  const kind = STATISTICS.exec(name)?.[1] ?? OF_STATE.exec(name)?.[2];
  return kind === undefined ? unit : `${unit} ${kind}`;
}
