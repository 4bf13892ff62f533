import type { IncomingMessage } from 'node:http';
import { Busboy, type BusboyConfig, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { clip, Problem } from './problem.js';
import { type ReceiveLimits, receive } from './receive.js';
import { IMAGE_FORMATS, sniffFormat } from './sniff.js';

export interface ImageLimits extends ReceiveLimits {
  readonly maxImages: number;
}

export type BodyKind = 'multipart' | 'raw';

/** What is told to clients that send something else. */
export const ACCEPTED_TYPES = 'multipart/form-data, image/*, application/octet-stream';

/**
 * How a body holds images, by the headers.
 *
 * @throws Problem `unsupported-media-type`
 */
export function bodyKind(headers: IncomingMessage['headers']): BodyKind {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    const sent = JSON.stringify(clip(encoding, 100));
    throw new Problem('unsupported-media-type', `Bodies are taken as they are, not as ${sent}.`);
  }
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'multipart/form-data') return 'multipart';
  if (type === 'application/octet-stream' || (type.startsWith('image/') && type !== 'image/svg+xml')) return 'raw';
  const sent = type === '' ? 'A body without a content type' : `The content type ${JSON.stringify(clip(type, 100))}`;
  throw new Problem('unsupported-media-type', `${sent} is not taken: send one of ${ACCEPTED_TYPES}.`, {
    headers: { 'accept-post': ACCEPTED_TYPES },
  });
}

/**
 * The images of a request, as the bytes that were sent. The names that a client gives to files are not looked at.
 *
 * @param book told of the bytes as they are taken into memory; may throw
 * @throws Problem for a body that is too large, late or broken, or holds no image or too many
 */
export async function readImages(
  request: IncomingMessage,
  kind: BodyKind,
  limits: ImageLimits,
  book: (bytes: number) => void,
): Promise<readonly Buffer[]> {
  const images =
    kind === 'multipart' ? await readParts(request, limits, book) : [await readWhole(request, limits, book)];
  if (images.length === 0) throw new Problem('no-image', 'The multipart body holds no file.');
  for (const [image, bytes] of images.entries()) checkImage(bytes, image);
  return images;
}

function checkImage(bytes: Buffer, image: number): void {
  if (bytes.length === 0) throw new Problem('no-image', 'The image is empty.', { image });
  if (sniffFormat(bytes) === undefined) {
    if (bytes.subarray(0, 5).toString('latin1').toLowerCase() === 'data:') {
      throw new Problem('undecodable-image', 'A data: URL is not taken: send the bytes that it stands for.', { image });
    }
    const formats = IMAGE_FORMATS.join(', ');
    throw new Problem('undecodable-image', `The bytes do not begin like an image of ${formats}.`, { image });
  }
}

async function readWhole(request: IncomingMessage, limits: ImageLimits, book: (bytes: number) => void) {
  const chunks: Buffer[] = [];
  await receive(request, limits, (chunk) => {
    book(chunk.length);
    chunks.push(chunk);
  });
  return Buffer.concat(chunks);
}

async function readParts(request: IncomingMessage, limits: ImageLimits, book: (bytes: number) => void) {
  const parser = openParser(request, limits.maxImages);
  const parsed = collectFiles(parser, limits.maxImages);
  // Told to whoever awaits `receive`, which may end first.
  parsed.files.catch(() => undefined);
  await receive(request, limits, (chunk) => {
    if (parsed.problem !== undefined) throw parsed.problem;
    book(chunk.length);
    parser.write(chunk);
  });
  parser.end();
  // A parser that neither ends nor fails must not hold the request for ever.
  const late = setTimeout(() => parsed.refuse(new Problem('bad-multipart', 'It has no end.')), limits.timeoutMs);
  try {
    return await parsed.files;
  } finally {
    clearTimeout(late);
  }
}

function openParser({ headers }: IncomingMessage, maxImages: number): BusboyInstance {
  const config: BusboyConfig = {
    headers: headers as BusboyHeaders,
    limits: { files: maxImages, fields: 0, headerPairs: 32, headerSize: 16 * 1024 },
    isPartAFile: (_field, type, file) =>
      file !== undefined || type === 'application/octet-stream' || type?.startsWith('image/') === true,
  };
  try {
    return new Busboy(config);
  } catch (cause) {
    throw new Problem('bad-multipart', 'The content type of the multipart body names no boundary.', { cause });
  }
}

interface Parsed {
  readonly files: Promise<readonly Buffer[]>;
  /** What is wrong with the parts that came so far. */
  readonly problem: Problem | undefined;
  refuse(problem: Problem): void;
}

function collectFiles(parser: BusboyInstance, maxImages: number): Parsed {
  const files: Buffer[][] = [];
  let problem: Problem | undefined;
  let fail: (problem: Problem) => void = () => undefined;
  const refuse = (found: Problem): void => {
    problem ??= found;
    fail(problem);
  };
  const broken = (cause: unknown): void =>
    refuse(
      new Problem('bad-multipart', cause instanceof Error ? `${cause.message}.` : 'It cannot be read.', { cause }),
    );
  const done = new Promise<readonly Buffer[]>((resolve, reject) => {
    fail = reject;
    parser.on('finish', () => resolve(files.map((chunks) => Buffer.concat(chunks))));
  });
  parser.on('file', (_field, stream) => {
    const chunks: Buffer[] = [];
    files.push(chunks);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', broken);
  });
  parser.on('filesLimit', () => {
    refuse(new Problem('too-many-images', `The request holds more than the ${maxImages} images that are taken.`));
  });
  parser.on('fieldsLimit', () => {
    refuse(new Problem('bad-multipart', 'A part is no file: options are given in the query, images with a file name.'));
  });
  parser.on('error', broken);
  return {
    files: done,
    refuse,
    get problem() {
      return problem;
    },
  };
}
