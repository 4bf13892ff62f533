import { ResnetTorchError } from '../errors.js';
import type { NativeImage } from '../native/binding.js';
import { describe, invalidArgument, requireNumber } from '../options.js';

/** Pixels of the largest image that is read; sharp's limit, and the native code's. */
export const MOST_PIXELS = 0x3fff ** 2;

/** Pixels as they are: rows from top to bottom, 8 bits a sample, the samples of a pixel together. */
export interface RawImage {
  /** `width × height × channels` bytes. */
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  /** 1: grey. 3: red, green, blue. 4: and alpha, which is dropped. */
  readonly channels: 1 | 3 | 4;
}

/**
 * An image to look at: the path of a file, the bytes of an encoded image (a `Buffer` is a `Uint8Array`), pixels with
 * their shape, or a stream of an encoded image's bytes.
 */
export type ImageInput = string | Uint8Array | RawImage | AsyncIterable<Uint8Array>;

/** What an image that has no path is called in messages, where it is one of many. */
export function nameOf(image: ImageInput, index?: number): string {
  if (typeof image === 'string') return image;
  return index === undefined ? '(given as data)' : `(images[${index}])`;
}

/**
 * What native code is handed; a stream is read to its end first.
 *
 * @param maxBytes of encoded images and of pixels
 * @throws ERR_INVALID_ARGUMENT for what is no image; ERR_IMAGE_TOO_LARGE beyond `maxBytes`; ERR_IMAGE_DECODE for no bytes;
 *   whatever a stream throws
 */
export async function toNativeImage(
  image: ImageInput,
  name: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<NativeImage> {
  if (typeof image === 'string') return image;
  if (image instanceof Uint8Array) return checkBytes(image, name, maxBytes);
  if (typeof image !== 'object' || image === null) throw noImage(image, name);
  if (Symbol.asyncIterator in image) return readStream(image, name, maxBytes, signal);
  const { data, width, height, channels } = image;
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) throw noImage(image, name);
  requireNumber(width, 'width', { integer: true, min: 1, max: 2 ** 24 });
  requireNumber(height, 'height', { integer: true, min: 1, max: 2 ** 24 });
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw invalidArgument(`channels of the image ${name} must be 1, 3 or 4, not ${describe(channels)}.`);
  }
  if (data.length !== width * height * channels) {
    throw new ResnetTorchError(
      'ERR_SHAPE_MISMATCH',
      `The image ${name} has ${data.length} bytes; ${width}×${height} pixels of ${channels} channels take ${width * height * channels}.`,
    );
  }
  checkBytes(data, name, maxBytes);
  return { data, width, height, channels };
}

function noImage(image: unknown, name: string): ResnetTorchError {
  return invalidArgument(
    `The image ${name} must be a path, a Buffer or Uint8Array of an encoded image, a stream of its bytes, ` +
      `or { data, width, height, channels }, not ${describe(image)}.`,
  );
}

function checkBytes<T extends Uint8Array | Uint8ClampedArray>(bytes: T, name: string, maxBytes: number): T {
  if (bytes.length > maxBytes) throw tooManyBytes(name, maxBytes);
  if (bytes.length > 0) return bytes;
  throw new ResnetTorchError('ERR_IMAGE_DECODE', `Cannot read the image ${name}: it is empty (0 bytes).`);
}

function tooManyBytes(name: string, maxBytes: number): ResnetTorchError {
  return new ResnetTorchError(
    'ERR_IMAGE_TOO_LARGE',
    `The image ${name} has more than ${maxBytes} bytes. Give a smaller one, or allow more with maxBytes.`,
  );
}

async function readStream(
  stream: AsyncIterable<unknown>,
  name: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    signal?.throwIfAborted();
    if (!(chunk instanceof Uint8Array)) {
      throw invalidArgument(`The stream of the image ${name} must give Buffers, not ${describe(chunk)}.`);
    }
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooManyBytes(name, maxBytes);
    chunks.push(chunk);
  }
  return checkBytes(Buffer.concat(chunks, bytes), name, maxBytes);
}
