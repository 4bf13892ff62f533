import type { NativeModel } from '../../native/contract/model.js';
import { invalidArgument } from '../../options.js';
import { type PickledTensor, pickleStateDict } from './pickle.js';
import { MOST_ZIP_BYTES, type ZipMember, zipArchive, zipBytesAtMost } from './zip.js';

/** The model as `torch.save(model.state_dict(), path)` writes it: float32, and BatchNorm's counters as int64. */
export interface StateDictFile {
  /** Of the values; headers add some 100 kB. */
  readonly bytes: number;
  parts(model: NativeModel): AsyncGenerator<Uint8Array>;
}

/** @throws ERR_INVALID_ARGUMENT when the file would be larger than this form of zip allows */
export function stateDictFile(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): StateDictFile {
  const stored = tensors.map(({ name, shape }, index): PickledTensor => {
    const isCounter = name.endsWith('.num_batches_tracked');
    return { name, shape, key: String(index), storage: isCounter ? 'LongStorage' : 'FloatStorage' };
  });
  const pickle = pickleStateDict(stored);
  const records = stored.map(({ key, shape, storage }) => ({
    name: `archive/data/${key}`,
    bytes: (storage === 'LongStorage' ? 8 : 4) * shape.reduce((product, side) => product * side, 1),
  }));
  const bytes = records.reduce((sum, record) => sum + record.bytes, 0);
  if (zipBytesAtMost([...records, { name: 'archive/data.pkl', bytes: pickle.length }]) + 1024 > MOST_ZIP_BYTES) {
    throw invalidArgument(
      `The model takes ${bytes} bytes, and a .pth file of this form holds less than 4 GiB. Export it as safetensors, or use a narrower head.`,
    );
  }
  return { bytes, parts: (model) => zipArchive(members(model)) };

  async function* members(model: NativeModel): AsyncGenerator<ZipMember> {
    yield { name: 'archive/data.pkl', bytes: pickle };
    yield { name: 'archive/byteorder', bytes: Buffer.from('little') };
    for (const { name, key, storage } of stored) {
      const values = storage === 'LongStorage' ? await counter(model, name) : await model.read(name, 'float32');
      yield { name: `archive/data/${key}`, bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
    }
    yield { name: 'archive/version', bytes: Buffer.from('3\n') };
  }
}

async function counter(model: NativeModel, name: string): Promise<BigInt64Array> {
  const [count = 0] = await model.read(name, 'float64');
  return BigInt64Array.of(BigInt(count));
}
