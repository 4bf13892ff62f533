import { FileReader } from './file-reader.js';
import { readSafetensors } from './safetensors.js';
import { selectWeights, wholeGroup } from './select.js';
import type { SourceReader, TensorSource } from './source.js';
import { formatError, type TensorTable } from './table.js';
import { readTorchArchive } from './torch-archive.js';
import { isLegacyTorch, readLegacyTorch } from './torch-legacy.js';

const EXPECTED = 'Expected a .safetensors file, or a .pth file of torch.save(model.state_dict()).';

/** How files begin that people name in place of weights, and what to do about each. */
const STRANGERS: readonly {
  readonly test: (head: Buffer) => boolean;
  readonly fault: string;
}[] = [
  {
    test: (head) => /^(\ufeff)?\s*<(!doctype|html|\?xml|head|body|!--)/i.test(head.toString('utf8')),
    fault:
      'is a web page (HTML), not weights: a download that ended at a login or error page. Download the file itself.',
  },
  {
    test: (head) => head.toString('latin1').startsWith('version https://git-lfs'),
    fault: 'is a Git LFS pointer, not the weights themselves. Fetch them with `git lfs pull`.',
  },
  {
    test: (head) => head.subarray(257, 262).toString('latin1') === 'ustar',
    fault:
      'was written by the first versions of PyTorch, as a tar archive. Save it again with a newer one, in Python: ' +
      'torch.save(torch.load("old.pth", map_location="cpu"), "new.pth").',
  },
  {
    test: (head) => head[0] === 0x80 && (head[1] ?? 0) >= 2 && (head[1] ?? 0) <= 5,
    fault: `is a plain Python pickle. ${EXPECTED}`,
  },
  {
    test: (head) => head[0] === 0x1f && head[1] === 0x8b,
    fault: `is compressed with gzip. Unpack it first. ${EXPECTED}`,
  },
  {
    test: (head) => head.subarray(1, 4).toString('latin1') === 'HDF',
    fault: `is an HDF5 file, as Keras writes, whose layout differs from PyTorch's. ${EXPECTED}`,
  },
];

/** The reader of each format, told by the content, not by the file's name. */
const READERS: readonly { readonly test: (head: Buffer) => boolean; readonly read: SourceReader }[] = [
  { test: (head) => head.length >= 4 && head.readUInt32LE(0) === 0x04034b50, read: readTorchArchive },
  { test: (head) => head[8] === 0x7b, read: readSafetensors },
  { test: isLegacyTorch, read: readLegacyTorch },
];

/**
 * Reads where each tensor of a network's weights lies. Only headers are read; a `.pth` file's pickle is interpreted
 * without executing anything. The network is found wherever it is in the file, by what stands before torchvision's names;
 * `notes` says what was taken where that is not plain.
 *
 * @param path a safetensors file, or a file of `torch.save` that holds a state dict, at top level or under any keys
 * @throws ResnetTorchError `ERR_FILE` when it cannot be read, `ERR_WEIGHTS_FORMAT` when it is not such a file,
 *   `ERR_SHAPE_MISMATCH` when it is of another member of the family; rejects with the signal's reason
 */
export function openWeights(path: string, signal?: AbortSignal): Promise<TensorTable> {
  return withSource(path, selectWeights, signal);
}

/** The same for a file of tensors that are no network's, under their own names, such as an optimizer's state. */
export function openTensors(path: string): Promise<TensorTable> {
  return withSource(path, wholeGroup);
}

async function withSource<T>(
  path: string,
  use: (source: TensorSource) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  const file = await FileReader.open(path);
  try {
    if (file.size === 0) throw formatError(path, 'is empty. Download or copy it again.');
    const head = await file.read(0, Math.min(file.size, 512));
    const reader = READERS.find(({ test }) => test(head));
    if (reader === undefined) {
      const stranger = STRANGERS.find(({ test }) => test(head));
      throw formatError(path, stranger?.fault ?? `is not a weights file that can be read. ${EXPECTED}`);
    }
    const source = await reader.read(file);
    signal?.throwIfAborted();
    const result = await use(source);
    signal?.throwIfAborted();
    return result;
  } finally {
    await file.close();
  }
}
