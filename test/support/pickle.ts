/** Pickle bytes for what Python's own pickler writes, in the opcodes of protocol 2, and for what it never would. */
export type Pickled = string;

const ints = (value: number): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes.toString('latin1');
};

export const int = (value: number): Pickled => `J${ints(value)}`;
export const text = (value: string): Pickled => {
  const bytes = Buffer.from(value);
  return `X${ints(bytes.length)}${bytes.toString('latin1')}`;
};
export const tuple = (...items: readonly Pickled[]): Pickled => `(${items.join('')}t`;
export const list = (...items: readonly Pickled[]): Pickled => `](${items.join('')}e`;
export const dict = (...entries: readonly (readonly [Pickled, Pickled])[]): Pickled => `}(${entries.flat().join('')}u`;
export const global = (module: string, name: string): Pickled => `c${module}\n${name}\n`;
export const call = (callee: Pickled, ...parameters: readonly Pickled[]): Pickled =>
  `${callee}${tuple(...parameters)}R`;
export const TRUE: Pickled = '\x88';
export const FALSE: Pickled = '\x89';
export const NONE: Pickled = 'N';

/** The whole pickle: protocol, the value, STOP. */
export function pickleBytes(value: Pickled, protocol = 2): Buffer {
  return Buffer.from(`\x80${String.fromCharCode(protocol)}${value}.`, 'latin1');
}

export interface PickledTensor {
  readonly storage?: string;
  readonly key: string;
  /** Elements of the storage. */
  readonly elements: number;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** A tensor as `torch.save` pickles it. */
export function tensor({
  storage = 'FloatStorage',
  key,
  elements,
  offset = 0,
  shape,
  strides,
}: PickledTensor): Pickled {
  const id = tuple(text('storage'), global('torch', storage), text(key), text('cpu'), int(elements));
  return call(
    global('torch._utils', '_rebuild_tensor_v2'),
    `${id}Q`,
    int(offset),
    tuple(...shape.map(int)),
    tuple(...strides.map(int)),
    FALSE,
    call(global('collections', 'OrderedDict')),
  );
}
