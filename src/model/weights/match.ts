import { ResnetTorchError } from '../../errors.js';
import type { StoredTensor } from '../../native/binding.js';
import { formatShape, listNames, type TensorTable } from './table.js';

/** A tensor of the model, as `NativeModel.tensors()` lists it. */
export interface ExpectedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: 'parameter' | 'buffer';
}

export interface WeightsMatch {
  /** What to hand to `NativeModel.load`, in the model's order. */
  readonly load: readonly StoredTensor[];
  /** `skipped`: the file's head is of another size or layout, or there is none; the model's keeps its initial values. */
  readonly head: 'loaded' | 'skipped';
  /** Sentences for the user: why the head was skipped, which tensors of the file are not used. */
  readonly messages: readonly string[];
}

const HEAD = 'fc.';
const COUNTER = '.num_batches_tracked';
const FLOATING: ReadonlySet<string> = new Set(['F64', 'F32', 'F16', 'BF16']);

/**
 * Decides which tensors of a file go into the model. The backbone must fit whole; `num_batches_tracked` may be absent,
 * as in files from before PyTorch 0.4.1. The head is loaded whole or not at all.
 *
 * @param expected all tensors of the model, in its order.
 * @throws ResnetTorchError `ERR_SHAPE_MISMATCH` naming what is missing or of another shape, with both shapes.
 */
export function matchWeights(table: TensorTable, expected: readonly ExpectedTensor[]): WeightsMatch {
  const faults: string[] = [];
  const load: StoredTensor[] = [];
  for (const wanted of expected) {
    if (wanted.name.startsWith(HEAD)) continue;
    const found = table.tensors.get(wanted.name);
    const fault = faultOf(wanted, found);
    if (fault !== null) faults.push(`${wanted.name}: ${fault}`);
    else if (found !== undefined) load.push(found);
  }
  if (faults.length > 0) throw misfit(table, expected, faults);

  const messages: string[] = [];
  const headFault = headFaultOf(table, expected);
  if (headFault === null) load.push(...headTensors(table, expected));
  else messages.push(headFault);

  const known = new Set(expected.map((tensor) => tensor.name));
  const unused = [...table.tensors.keys()].filter((name) => !known.has(name) && !name.startsWith(HEAD));
  if (unused.length > 0) {
    messages.push(`Not used, since a ResNet-50 has no tensors of these names: ${listNames(unused)}.`);
  }
  return { load, head: headFault === null ? 'loaded' : 'skipped', messages };
}

function faultOf(wanted: ExpectedTensor, found: StoredTensor | undefined): string | null {
  if (found === undefined)
    return wanted.name.endsWith(COUNTER) ? null : `expected ${formatShape(wanted.shape)}, missing`;
  if (!sameShape(wanted.shape, found.shape)) {
    return `expected ${formatShape(wanted.shape)}, the file has ${formatShape(found.shape)}`;
  }
  if (!wanted.name.endsWith(COUNTER) && !FLOATING.has(found.dtype)) {
    return `expected floating-point numbers, the file has ${found.dtype} (a quantised model?)`;
  }
  return null;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((side, axis) => side === b[axis]);
}

function headTensors(table: TensorTable, expected: readonly ExpectedTensor[]): StoredTensor[] {
  return expected.flatMap(({ name }) => (name.startsWith(HEAD) ? (table.tensors.get(name) ?? []) : []));
}

/** Why the file's head does not go into the model, as a sentence, or `null` when it does. */
function headFaultOf(table: TensorTable, expected: readonly ExpectedTensor[]): string | null {
  const wanted = expected.filter(({ name }) => name.startsWith(HEAD));
  const held = [...table.tensors.values()].filter(({ name }) => name.startsWith(HEAD));
  if (held.length === 0) return 'The weights hold no head (fc.*); it starts from random values.';
  const fits =
    held.length === wanted.length && wanted.every((tensor) => faultOf(tensor, table.tensors.get(tensor.name)) === null);
  if (fits) return null;
  return (
    `The head was not loaded and starts from random values: the weights have ${describeHead(held)}, ` +
    `the model has ${describeHead(wanted)}.`
  );
}

function describeHead(
  tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
  }[],
): string {
  const matrices = tensors.filter(({ name }) => name.endsWith('.weight'));
  return listNames(
    (matrices.length > 0 ? matrices : tensors).map(({ name, shape }) => `${name} ${formatShape(shape)}`),
    4,
  );
}

function misfit(table: TensorTable, expected: readonly ExpectedTensor[], faults: readonly string[]): ResnetTorchError {
  const limit = 10;
  const lines = faults.slice(0, limit).map((fault) => `\n  ${fault}`);
  if (faults.length > limit) lines.push(`\n  and ${faults.length - limit} more`);
  const known = new Set(expected.map(({ name }) => name));
  const strange = [...table.tensors.keys()].filter((name) => !known.has(name));
  const hint =
    strange.length > 0 && faults.some((fault) => fault.endsWith('missing'))
      ? `\nNames in the file that a ResNet-50 does not have: ${listNames(strange, 5)}.`
      : '';
  return new ResnetTorchError(
    'ERR_SHAPE_MISMATCH',
    `${table.path} does not fit a ResNet-50 with torchvision's names; ` +
      `${faults.length === 1 ? 'one tensor is' : `${faults.length} tensors are`} missing or different:${lines.join('')}${hint}`,
  );
}
