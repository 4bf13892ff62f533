import { FileReader } from './file-reader.js';
import { readSafetensors } from './safetensors.js';
import { formatError, type TensorTable } from './table.js';
import { readTorchArchive } from './torch-archive.js';

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
    // The magic number 0x1950a86a20f9469cfc6c as a pickled integer of protocol 2.
    test: (head) => head.subarray(2, 14).equals(Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex')) || isTar(head),
    fault:
      'was written by PyTorch before 1.6, or in its old format. Save it again with a newer one, in Python: ' +
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

function isTar(head: Buffer): boolean {
  return head.subarray(257, 262).toString('latin1') === 'ustar';
}

/**
 * Reads where each tensor of a weights file lies. The format is told by the content, not by the name. Only headers are
 * read; a `.pth` file's pickle is interpreted without executing anything.
 *
 * @param path a safetensors file, or a `.pth` file that `torch.save` (PyTorch 1.6 or newer) wrote from a state dict, at
 *   top level or under `state_dict`, `model_state_dict` or `model`.
 * @throws ResnetTorchError `ERR_FILE` when it cannot be read, `ERR_WEIGHTS_FORMAT` when it is not such a file.
 */
export async function openWeights(path: string): Promise<TensorTable> {
  const file = await FileReader.open(path);
  try {
    if (file.size === 0) throw formatError(path, 'is empty. Download or copy it again.');
    const head = await file.read(0, Math.min(file.size, 512));
    if (head.length >= 4 && head.readUInt32LE(0) === 0x04034b50) return await readTorchArchive(file);
    if (head[8] === 0x7b) return await readSafetensors(file);
    const stranger = STRANGERS.find(({ test }) => test(head));
    throw formatError(path, stranger?.fault ?? `is not a weights file that can be read. ${EXPECTED}`);
  } finally {
    await file.close();
  }
}
