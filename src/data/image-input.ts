import { fileURLToPath } from 'node:url';
import { type Bytes, copyOf, isBytes, viewOf } from '../bytes.js';
import { ResnetTorchError } from '../errors.js';
import { isAsyncIterable, isBlob, isError, isReadableStream, isUrl } from '../kinds.js';
import type { NativeImage } from '../native/contract/data.js';
import { describe, invalidArgument, requireNumber, shorten } from '../options.js';
import { decodeDataUrl, isDataUrl } from './data-url.js';
import { Pull } from './pull.js';

/** Pixels of the largest image that is read; sharp's limit, and the native code's. */
export const MOST_PIXELS = 0x3fff ** 2;

/** Characters of the longest path that there is on Linux. */
const MOST_PATH = 4096;

/** Characters of a path in a message. */
const MOST_NAME = 300;

/** Pixels as they are: rows from top to bottom, 8 bits a sample, the samples of a pixel together. */
export interface RawImage {
  /** `width × height × channels` bytes. */
  readonly data: Bytes;
  readonly width: number;
  readonly height: number;
  /** 1: grey. 3: red, green, blue. 4: and alpha, which is dropped. */
  readonly channels: 1 | 3 | 4;
}

/**
 * An image to look at:
 *
 * - the path of a file, or its `file:` URL;
 * - the bytes of an encoded image: a `Uint8Array`, which a `Buffer` is, an `ArrayBuffer`, a `DataView`, a `Blob` or a
 *   `File`, or a `data:` URL. Memory that is shared between threads will do;
 * - pixels with their shape;
 * - a stream of an encoded image's bytes: of Node, of the web, or any async iterable. It is read once, and closed however
 *   the call ends: destroyed, cancelled or returned from, also where it stalls.
 *
 * Nothing is fetched from the network: give the body that `fetch()` answers.
 */
export type ImageInput =
  | string
  | URL
  | Bytes
  | Blob
  | RawImage
  | AsyncIterable<Uint8Array>
  | ReadableStream<Uint8Array>;

/** An image that was taken from the caller. */
export interface TakenImage {
  /** What it is called in messages. */
  readonly name: string;
  /** Of a file, or of a folder; null of an image that was given as data. */
  readonly path: string | null;
  /** What native code is handed; null where it must be read first. */
  readonly ready: NativeImage | null;
  /**
   * Reads a `Blob` or a stream to its end. Once.
   *
   * @throws ERR_IMAGE_TOO_LARGE beyond `maxBytes`; ERR_IMAGE_DECODE for no bytes; ERR_FILE for one that fails, with its
   *   error as `cause`; ERR_INVALID_ARGUMENT for chunks that are no bytes
   */
  read(): Promise<NativeImage>;
  /** Ends the reading, where there is any. Idempotent. */
  close(): Promise<void>;
}

export interface TakeOptions {
  /** Of encoded images and of pixels. */
  readonly maxBytes: number;
  /** Of one of many; it is called by that in messages. */
  readonly index?: number | undefined;
  /** What it is called in messages instead. */
  readonly name?: string;
  /** Bytes are copied: else they stay the caller's, and must be handed on before control returns to him. */
  readonly copy?: boolean;
}

/**
 * Takes an image as it is; nothing is read of files and streams.
 *
 * @throws ERR_INVALID_ARGUMENT for what is no image; ERR_IMAGE_TOO_LARGE beyond `maxBytes`; ERR_SHAPE_MISMATCH for pixels
 *   that do not fit their shape; ERR_IMAGE_DECODE for no bytes and for a broken `data:` URL
 */
export function takeImage(image: unknown, options: TakeOptions): TakenImage {
  const name = options.name ?? nameOf(image, options.index);
  if (typeof image === 'string' || isUrl(image)) return takeText(image, name, options);
  if (isBytes(image)) return ready(name, bytesOf(image, name, options));
  if (typeof image !== 'object' || image === null) throw noImage(image, name);
  if (isBlob(image)) return takeBlob(image, name, options);
  if (isStream(image)) return takeStream(image, name, options);
  return ready(name, pixelsOf(image as RawImage, name, options));
}

/** What native code is handed of an image; a stream is read to its end first, and closed at the signal. */
export async function toNativeImage(
  image: ImageInput,
  name: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<NativeImage> {
  const taken = takeImage(image, { maxBytes, name });
  if (taken.ready !== null) return taken.ready;
  const close = (): void => void taken.close();
  signal?.addEventListener('abort', close, { once: true });
  try {
    return await taken.read();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', close);
  }
}

/** Closes what is a stream and was not taken. */
export async function closeImage(image: unknown): Promise<void> {
  if (typeof image === 'object' && image !== null && !isBytes(image) && isStream(image)) await new Pull(image).close();
}

function nameOf(image: unknown, index: number | undefined): string {
  if (typeof image === 'string' && !isDataUrl(image)) return shorten(image, MOST_NAME);
  if (isUrl(image) && !isDataUrl(image.href)) return shorten(image.href, MOST_NAME);
  return index === undefined ? '(given as data)' : `(images[${index}])`;
}

function ready(name: string, image: NativeImage, path: string | null = null): TakenImage {
  return { name, path, ready: image, read: async () => image, close: async () => undefined };
}

function takeText(text: string | URL, name: string, options: TakeOptions): TakenImage {
  const address = typeof text === 'string' ? text : text.href;
  if (isDataUrl(address)) return ready(name, bytesOfDataUrl(address, name, options));
  if (typeof text !== 'string' || /^file:\/\//i.test(text)) return takePath(pathOf(address, name), name);
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(text)) throw notFetched(name);
  return takePath(text, name);
}

function takePath(path: string, name: string): TakenImage {
  if (path === '') throw invalidArgument('The path of the image is an empty string.');
  if (path.length > MOST_PATH) {
    throw invalidArgument(
      `The image ${shorten(name)} is a string of ${path.length} characters, which is too long for a path. ` +
        "Give base64 as bytes: Buffer.from(text, 'base64').",
    );
  }
  return ready(path.length > MOST_NAME ? name : path, path, path);
}

function pathOf(url: string, name: string): string {
  if (!/^file:/i.test(url)) throw notFetched(name);
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw invalidArgument(`The image ${name} is no URL of a file on this machine: ${messageOf(cause)}.`);
  }
}

function notFetched(name: string): ResnetTorchError {
  return invalidArgument(
    `The image ${name} is the address of something that would have to be fetched, and nothing is. Fetch it, and give ` +
      'the bytes or the body: predict((await fetch(url)).body). Or store it, and give the path of the file.',
  );
}

function bytesOfDataUrl(url: string, name: string, { maxBytes }: TakeOptions): Uint8Array {
  const decoded = decodeDataUrl(url);
  if ('fault' in decoded) throw unreadable(name, decoded.fault);
  return checkBytes(decoded.bytes, name, maxBytes);
}

function bytesOf(bytes: Bytes, name: string, { maxBytes, copy = false }: TakeOptions): Uint8Array {
  const view = viewOf(bytes, `The image ${name}`);
  checkBytes(view, name, maxBytes);
  return copy ? Uint8Array.from(view) : view;
}

function takeBlob(blob: Blob, name: string, { maxBytes }: TakeOptions): TakenImage {
  if (blob.size > maxBytes) throw tooManyBytes(name, maxBytes);
  const read = async (): Promise<Uint8Array> => {
    let bytes: ArrayBuffer;
    try {
      bytes = await blob.arrayBuffer();
    } catch (cause) {
      throw failed('Blob', name, cause);
    }
    return checkBytes(viewOf(bytes, `The image ${name}`), name, maxBytes);
  };
  return { name, path: null, ready: null, read, close: async () => undefined };
}

function isStream(image: object): image is AsyncIterable<unknown> | ReadableStream<unknown> {
  return isAsyncIterable(image) || isReadableStream(image);
}

function takeStream(
  stream: AsyncIterable<unknown> | ReadableStream<unknown>,
  name: string,
  { maxBytes }: TakeOptions,
): TakenImage {
  const pull = new Pull<unknown>(stream);
  const read = async (): Promise<Uint8Array> => {
    try {
      return await readAll(pull, name, maxBytes);
    } finally {
      void pull.close();
    }
  };
  return { name, path: null, ready: null, read, close: () => pull.close() };
}

async function readAll(pull: Pull<unknown>, name: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await pull.next().catch((cause) => {
      throw failed('stream', name, cause);
    });
    if (done === true) break;
    if (!isBytes(value)) {
      throw invalidArgument(`The stream of the image ${name} must give Buffers, not ${describe(value)}.`);
    }
    bytes += value.byteLength;
    if (bytes > maxBytes) throw tooManyBytes(name, maxBytes);
    // A source may read into the same memory again.
    chunks.push(copyOf(value, `A chunk of the image ${name}`));
  }
  if (bytes === 0) throw unreadable(name, 'its stream is empty (0 bytes). A stream can be read once');
  return Buffer.concat(chunks, bytes);
}

function pixelsOf(image: RawImage, name: string, options: TakeOptions): Exclude<NativeImage, string> {
  const { data, width, height, channels } = image;
  if (!isBytes(data)) throw noImage(image, name);
  requireNumber(width, `width of the image ${name}`, { integer: true, min: 1, max: 2 ** 24 });
  requireNumber(height, `height of the image ${name}`, { integer: true, min: 1, max: 2 ** 24 });
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw invalidArgument(`channels of the image ${name} must be 1, 3 or 4, not ${describe(channels)}.`);
  }
  const view = viewOf(data, `The data of the image ${name}`);
  if (view.length !== width * height * channels) {
    throw new ResnetTorchError(
      'ERR_SHAPE_MISMATCH',
      `The image ${name} has ${view.length} bytes; ${width}×${height} pixels of ${channels} channels take ${width * height * channels}.`,
    );
  }
  checkBytes(view, name, options.maxBytes);
  return { data: options.copy === true ? Uint8Array.from(view) : view, width, height, channels };
}

function noImage(image: unknown, name: string): ResnetTorchError {
  return invalidArgument(
    `The image ${name} must be a path, a URL of a file, the bytes of an encoded image (a Buffer, Uint8Array, ArrayBuffer, ` +
      `DataView or Blob), a stream of them, or { data, width, height, channels }, not ${describe(image)}.`,
  );
}

function checkBytes(bytes: Uint8Array, name: string, maxBytes: number): Uint8Array {
  if (bytes.length > maxBytes) throw tooManyBytes(name, maxBytes);
  if (bytes.length > 0) return bytes;
  throw unreadable(name, 'it is empty (0 bytes)');
}

function tooManyBytes(name: string, maxBytes: number): ResnetTorchError {
  return new ResnetTorchError(
    'ERR_IMAGE_TOO_LARGE',
    `The image ${name} has more than ${maxBytes} bytes. Give a smaller one, or allow more with maxBytes.`,
  );
}

function unreadable(name: string, fault: string): ResnetTorchError {
  return new ResnetTorchError('ERR_IMAGE_DECODE', `Cannot read the image ${name}: ${fault}.`);
}

function failed(what: string, name: string, cause: unknown): ResnetTorchError {
  return new ResnetTorchError('ERR_FILE', `The ${what} of the image ${name} failed: ${messageOf(cause)}`, { cause });
}

function messageOf(error: unknown): string {
  return shorten(isError(error) ? error.message : String(error), MOST_NAME);
}
