import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, temporaryName } from '../files.js';
import type { NativeFileList, NativeImage } from '../native/binding.js';
import { native } from '../native/load.js';

/** The bytes of an image that has no file of its own. */
export type SpooledImage = Exclude<NativeImage, string>;

const DIGEST_BYTES = 16;

/**
 * A temporary file that holds images one after the other, so that any number of them is at hand without taking memory.
 * It has no name once it is made: nothing is left of it when its last user, or the process, ends.
 */
export class Spool {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #offsets: number[] = [];
  readonly #lengths: number[] = [];
  readonly #shapes: number[] = [];
  readonly #digests: Buffer[] = [];
  #end = 0;

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  /** @throws ERR_FILE when no file can be made in the directory */
  static async create(directory: string): Promise<Spool> {
    const path = temporaryName(join(directory, 'resnet-torch-images'));
    try {
      const handle = await open(path, 'wx+', 0o600);
      await rm(path);
      return new Spool(handle, path);
    } catch (error) {
      throw fileError('make', path, error);
    }
  }

  /** @throws ERR_FILE when the disk is full */
  async add(image: SpooledImage): Promise<void> {
    const raw = image instanceof Uint8Array ? null : image;
    const bytes = image instanceof Uint8Array ? image : image.data;
    try {
      for (let done = 0; done < bytes.length; ) {
        done += (await this.#handle.write(bytes, done, bytes.length - done, this.#end + done)).bytesWritten;
      }
    } catch (error) {
      throw fileError('write', this.#path, error);
    }
    this.#offsets.push(this.#end);
    this.#lengths.push(bytes.length);
    this.#shapes.push(raw?.width ?? 0, raw?.height ?? 0, raw?.channels ?? 0);
    this.#digests.push(createHash('sha256').update(bytes).digest().subarray(0, DIGEST_BYTES));
    this.#end += bytes.length;
  }

  /** A list of the images, which holds the file from now on. */
  list(names: readonly string[]): NativeFileList {
    return new (native().FileList)(names, new Int32Array(names.length), {
      fd: this.#handle.fd,
      offsets: Float64Array.from(this.#offsets),
      lengths: Float64Array.from(this.#lengths),
      shapes: Int32Array.from(this.#shapes),
      digests: Buffer.concat(this.#digests),
    });
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
