/**
 * The pickle of a state dict, in the opcodes of protocol 2 that `torch.load(weights_only=True)` knows: an OrderedDict
 * from names to tensors, whose values lie in records of the archive. Source: torch/serialization.py and
 * torch/_weights_only_unpickler.py of PyTorch.
 */

const OPCODE = {
  protocol: 0x80,
  global: 'c',
  reduce: 'R',
  mark: '(',
  tuple: 't',
  emptyTuple: ')',
  text: 'X',
  integer: 'J',
  false: 0x89,
  persistentId: 'Q',
  setItems: 'u',
  stop: '.',
} as const;

export interface PickledTensor {
  readonly name: string;
  readonly storage: 'FloatStorage' | 'LongStorage';
  /** Of the record `data/<key>`. */
  readonly key: string;
  /** Row-major, and all of the record. */
  readonly shape: readonly number[];
}

export function pickleStateDict(tensors: readonly PickledTensor[]): Buffer {
  const items = tensors.flatMap((tensor) => [text(tensor.name), rebuild(tensor)]);
  const body = [orderedDict(), opcode('mark'), ...items, opcode('setItems')];
  return Buffer.concat([opcode('protocol'), Buffer.from([2]), ...body, opcode('stop')]);
}

function opcode(name: keyof typeof OPCODE): Buffer {
  const code = OPCODE[name];
  return typeof code === 'number' ? Buffer.from([code]) : Buffer.from(code);
}

function withInt32(name: 'integer' | 'text', value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return Buffer.concat([opcode(name), bytes]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([withInt32('text', bytes.length), bytes]);
}

function tuple(...items: readonly Buffer[]): Buffer {
  return Buffer.concat([opcode('mark'), ...items, opcode('tuple')]);
}

function global(module: string, name: string): Buffer {
  return Buffer.concat([opcode('global'), Buffer.from(`${module}\n${name}\n`)]);
}

function orderedDict(): Buffer {
  return Buffer.concat([global('collections', 'OrderedDict'), opcode('emptyTuple'), opcode('reduce')]);
}

/** `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)` */
function rebuild({ storage, key, shape }: PickledTensor): Buffer {
  const elements = shape.reduce((product, side) => product * side, 1);
  const id = tuple(text('storage'), global('torch', storage), text(key), text('cpu'), withInt32('integer', elements));
  const integers = (values: readonly number[]) => tuple(...values.map((value) => withInt32('integer', value)));
  const parameters = tuple(
    Buffer.concat([id, opcode('persistentId')]),
    withInt32('integer', 0),
    integers(shape),
    integers(stridesOf(shape)),
    opcode('false'),
    orderedDict(),
  );
  return Buffer.concat([global('torch._utils', '_rebuild_tensor_v2'), parameters, opcode('reduce')]);
}

function stridesOf(shape: readonly number[]): readonly number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, side) => product * side, 1));
}
