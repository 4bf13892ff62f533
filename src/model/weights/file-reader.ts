import { type FileHandle, open, stat } from 'node:fs/promises';
import { ResnetTorchError } from '../../errors.js';
import { fileError } from '../../files.js';
import { formatError } from './table.js';

/** A regular file, read at positions. Only headers come through here: tensors are mapped by native code. */
export class FileReader {
  readonly path: string;
  readonly size: number;
  readonly #handle: FileHandle;

  private constructor(path: string, size: number, handle: FileHandle) {
    this.path = path;
    this.size = size;
    this.#handle = handle;
  }

  /** @throws ResnetTorchError `ERR_FILE` when there is no such file, or it is a directory, a pipe or not readable. */
  static async open(path: string): Promise<FileReader> {
    try {
      // Looked at before it is opened, since opening a named pipe waits for a writer.
      const status = await stat(path);
      if (status.isDirectory()) {
        throw new ResnetTorchError(
          'ERR_FILE',
          `${path} is a directory, not a weights file. Name a .safetensors or .pth file in it, such as ${path}/best.safetensors.`,
        );
      }
      if (!status.isFile()) {
        throw new ResnetTorchError('ERR_FILE', `${path} is not a regular file. Copy the weights to a file first.`);
      }
      return new FileReader(path, status.size, await open(path, 'r'));
    } catch (error) {
      throw fileError('read the weights', path, error);
    }
  }

  /** @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` when the range does not lie within the file. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw formatError(
        this.path,
        `is truncated or damaged: it refers to bytes ${offset} to ${offset + length}, but ends at ${this.size}. ` +
          'Download or copy it again.',
      );
    }
    const buffer = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle
        .read(buffer, done, length - done, offset + done)
        .catch((error: unknown) => {
          throw fileError('read', this.path, error);
        });
      if (bytesRead === 0)
        throw formatError(this.path, 'became shorter while it was read. Try again when it is complete.');
      done += bytesRead;
    }
    return buffer;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
