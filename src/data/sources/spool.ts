import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, temporaryName } from '../../files.js';
import type { NativeFileList, NativeImage } from '../../native/contract/data.js';
import { native } from '../../native/load.js';
import { ITEMS_A_TURN, type Turns } from '../turns.js';

/** The bytes of an image that has no file of its own. */
export type SpooledImage = Exclude<NativeImage, string>;

const DIGEST_BYTES = 16;

/** Where an image lies, and the sides of one that is pixels; zeros for encoded bytes. */
interface Place {
  readonly offset: number;
  readonly length: number;
  readonly shape: readonly [width: number, height: number, channels: number];
  readonly digest: Buffer;
}

/**
 * A temporary file that holds images one after the other, so that any number of them is at hand without taking memory.
 * It has no name once it is made: nothing is left of it when its last user, or the process, ends.
 */
export class Spool {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #places: Place[] = [];
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
    this.#places.push({
      offset: this.#end,
      length: bytes.length,
      shape: [raw?.width ?? 0, raw?.height ?? 0, raw?.channels ?? 0],
      digest: createHash('sha256').update(bytes).digest().subarray(0, DIGEST_BYTES),
    });
    this.#end += bytes.length;
  }

  /** A list of the images, in the order in which they were added, which holds the file from now on. */
  async list(named: readonly { readonly name: string }[], turns: Turns): Promise<NativeFileList> {
    const list = new (native().FileList)([], new Int32Array());
    for (let start = 0; start < named.length; start += ITEMS_A_TURN) {
      const names = named.slice(start, start + ITEMS_A_TURN).map(({ name }) => name);
      const places = this.#places.slice(start, start + ITEMS_A_TURN);
      list.append(names, new Int32Array(names.length), {
        fd: this.#handle.fd,
        offsets: Float64Array.from(places, ({ offset }) => offset),
        lengths: Float64Array.from(places, ({ length }) => length),
        shapes: Int32Array.from(places.flatMap(({ shape }) => shape)),
        digests: Buffer.concat(places.map(({ digest }) => digest)),
      });
      if (turns.due(names.length)) await turns.next();
    }
    return list;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
