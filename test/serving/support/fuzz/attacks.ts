import sharp from 'sharp';
import { gifBomb, jpegBomb, pngBomb } from '../bombs.js';
import { head } from '../raw.js';
import { mutate, type Random } from './random.js';

/** What an attack does with one connection. */
export interface Script {
  /** Written one after another, with so many milliseconds before each. */
  readonly writes: readonly { readonly data: string | Uint8Array; readonly waitMs: number }[];
  /** Then the client leaves without a word, or shuts its side, or waits for the server. */
  readonly end: 'leave' | 'shut' | 'wait';
  /** Nothing that the server says is read for so long. */
  readonly deafMs?: number;
  /** The client keeps its side of the connection open though the server shut its own. */
  readonly staysOpen?: boolean;
}

export type Attack = (random: Random, images: readonly Buffer[]) => Script;

export async function goodImages(): Promise<readonly Buffer[]> {
  const gradient = Buffer.from(Array.from({ length: 48 * 40 * 3 }, (_, i) => (i * 7 + (i >> 6)) & 255));
  const image = () => sharp(gradient, { raw: { width: 48, height: 40, channels: 3 } });
  return Promise.all([
    image().jpeg().toBuffer(),
    image().jpeg({ progressive: true }).toBuffer(),
    image().png().toBuffer(),
    image().webp().toBuffer(),
    image().gif().toBuffer(),
    image().tiff().toBuffer(),
  ]);
}

const BOUNDARY = 'xXxXx';

function part(bytes: Uint8Array, name: string): Buffer {
  return Buffer.concat([
    Buffer.from(
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="${name}"\r\nContent-Type: image/jpeg\r\n\r\n`,
    ),
    bytes,
    Buffer.from('\r\n'),
  ]);
}

export function multipart(parts: readonly Uint8Array[], names: readonly string[] = []): Buffer {
  return Buffer.concat([
    ...parts.map((bytes, i) => part(bytes, names[i] ?? 'a.jpg')),
    Buffer.from(`--${BOUNDARY}--\r\n`),
  ]);
}

export function request(
  body: Uint8Array,
  headers: Readonly<Record<string, string | number>> = {},
  line?: string,
): Script {
  const text = head({ 'Content-Length': body.length, Connection: 'close', ...headers }, line);
  return { writes: [{ data: Buffer.concat([Buffer.from(text, 'latin1'), body]), waitMs: 0 }], end: 'wait' };
}

export const MULTIPART = { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` };

/** In pieces, with pauses, and perhaps not to the end. */
function inPieces(random: Random, script: Script): Script {
  const all = Buffer.concat(script.writes.map(({ data }) => Buffer.from(data)));
  const writes = [];
  for (let at = 0; at < all.length && writes.length < 20; ) {
    const end = Math.min(all.length, at + 1 + random.below(Math.max(2, all.length >> 2)));
    writes.push({ data: all.subarray(at, end), waitMs: random.below(4) });
    at = end;
  }
  const kept = random.chance(0.7) ? writes : writes.slice(0, random.below(writes.length + 1));
  return { writes: kept, end: random.pick(['leave', 'shut', 'leave'] as const) };
}

const PATHS = [
  '/',
  '/v1/predict',
  '/v1/model',
  '/metrics',
  '/healthz',
  '/..',
  '/%2e%2e/',
  '/etc/passwd',
  '//',
  '/assets/',
];

/** Attacks by name. What is answered, and that the server goes on, is for the caller to look at. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  'noise for an image': (random) => request(random.bytes(random.below(3000))),
  'an image that was changed': (random, images) => request(mutate(random, random.pick(images))),
  'an image that is cut off': (random, images) => {
    const image = random.pick(images);
    return request(image.subarray(0, random.below(image.length)));
  },
  'more pixels than there can be': (random, images) => {
    const side = () => random.pick([1_000_000, 65_535, 50_000, 16_384, 2 ** 31 - 1, 0]);
    const bombs = [
      () => pngBomb(side(), side()),
      () => jpegBomb(images[random.below(2)] as Buffer, side() & 0xffff, side() & 0xffff),
      () => gifBomb(side() & 0xffff, side() & 0xffff),
    ];
    return request(random.pick(bombs)());
  },
  'a form that was changed': (random, images) => {
    const parts = Array.from({ length: random.below(5) }, () => random.pick(images));
    return request(mutate(random, multipart(parts)), MULTIPART);
  },
  'a form with names': (random, images) => {
    const parts = Array.from({ length: 1 + random.below(3) }, () => random.pick(images));
    return request(
      multipart(
        parts,
        parts.map(() => random.text(random.below(200))),
      ),
      MULTIPART,
    );
  },
  'a form of many parts': (random) =>
    request(multipart(Array.from({ length: random.below(500) }, () => random.bytes(2))), MULTIPART),
  'a form with a strange boundary': (random, images) => {
    const boundary = random.text(random.below(100)).replaceAll(/[\r\n\0]/g, '');
    const type = `multipart/form-data; boundary=${random.chance(0.5) ? `"${boundary}"` : boundary}`;
    return request(multipart([random.pick(images)]), { 'Content-Type': type });
  },
  'headers of chance': (random, images) => {
    const image = random.pick(images);
    const name = random.pick([
      'Content-Type',
      'Content-Encoding',
      'Expect',
      'Range',
      'Accept',
      'Upgrade',
      'Transfer-Encoding',
    ]);
    const value = random.pick([
      'gzip',
      '100-continue',
      'websocket',
      'chunked',
      'bytes=0-',
      '',
      'image/',
      random.text(30),
    ]);
    return request(image, { [name]: value.replaceAll(/[\r\n\0]/g, ' ') });
  },
  'a length that is wrong': (random, images) => {
    const image = random.pick(images);
    const length = random.pick([-1, 0, image.length - 1, image.length + 10, 1e12, 'x', '5, 6']);
    return { ...request(image, { 'Content-Length': length }), end: 'shut' };
  },
  'two lengths of a body': (random, images) =>
    request(random.pick(images), { 'Transfer-Encoding': random.pick(['chunked', 'chunked, identity', 'xchunked']) }),
  'chunks that are none': (random, images) => {
    const text = head({ 'Transfer-Encoding': 'chunked', Connection: 'close' });
    const chunks = mutate(
      random,
      Buffer.concat([Buffer.from('40\r\n'), random.pick(images).subarray(0, 64), Buffer.from('\r\n0\r\n\r\n')]),
    );
    return {
      writes: [
        { data: text, waitMs: 0 },
        { data: chunks, waitMs: random.below(3) },
      ],
      end: random.pick(['shut', 'leave']),
    };
  },
  'a query of chance': (random, images) => {
    const query = Array.from({ length: random.below(4) }, () => {
      const name = random.pick(['topK', 'features', 'model', '__proto__', 'constructor', random.text(5)]);
      return `${encodeURIComponent(name)}=${random.pick(['1', '-1', '9e9', 'true', '%', '%00', encodeURIComponent(random.text(9))])}`;
    }).join(random.pick(['&', '&&', ';']));
    return request(random.pick(images), {}, `POST /v1/predict?${query} HTTP/1.1`);
  },
  'an address of chance': (random) => {
    const path = random.pick(PATHS) + encodeURI(random.text(random.below(30)).replaceAll(/\s/g, ''));
    const method = random.pick(['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE', 'PATCH']);
    return request(Buffer.alloc(0), {}, `${method} ${path} HTTP/1.1`);
  },
  'what is no HTTP': (random) => ({ writes: [{ data: random.bytes(1 + random.below(500)), waitMs: 0 }], end: 'shut' }),
  'a request that was changed': (random, images) => {
    const [{ data } = { data: '' }] = request(random.pick(images)).writes;
    return { writes: [{ data: mutate(random, Buffer.from(data).subarray(0, 200)), waitMs: 0 }], end: 'shut' };
  },
  'a client that leaves': (random, images) => inPieces(random, request(random.pick(images))),
  'a form whose sender leaves': (random, images) => inPieces(random, request(multipart(images), MULTIPART)),
  'a slow client': (random, images) => {
    const drops = Array.from({ length: 12 }, () => ({ data: random.bytes(1), waitMs: 40 + random.below(80) }));
    const body = random.pick(images);
    return { writes: [{ data: head({ 'Content-Length': body.length }), waitMs: 0 }, ...drops], end: 'wait' };
  },
  'headers that trickle': (random) => {
    const drops = Array.from({ length: 12 }, () => ({
      data: `X-${random.below(99)}: a\r\n`,
      waitMs: 40 + random.below(80),
    }));
    return { writes: [{ data: 'POST /v1/predict HTTP/1.1\r\n', waitMs: 0 }, ...drops], end: 'wait' };
  },
  'requests that follow one another': (random, images) => {
    const bodies = Array.from({ length: 1 + random.below(5) }, () => mutate(random, random.pick(images)));
    const texts = bodies.map((body) => Buffer.concat([Buffer.from(head({ 'Content-Length': body.length })), body]));
    return { writes: [{ data: Buffer.concat(texts), waitMs: 0 }], end: random.pick(['shut', 'leave']) };
  },
};
