import { hostileFiles } from '../../../safety/support/hostile.js';
import { head } from '../raw.js';
import { type Attack, MULTIPART, multipart, request, type Script } from './attacks.js';
import type { Random } from './random.js';

const files = hostileFiles();

const NAMES = ['evil.example', 'localhost.evil.example', '0.0.0.0', '[::2]:80', '127.0.0.1@evil.example', ''];

/** What has answers that are longer together than a connection's buffers. */
function manyAnswers(random: Random, images: readonly Buffer[]): readonly (string | Uint8Array)[] {
  return random.chance(0.5) ? [head({}, 'GET /openapi.json HTTP/1.1').repeat(1500)] : longAnswers(random, images);
}

function longAnswers(random: Random, images: readonly Buffer[]): readonly Buffer[] {
  const body = multipart(Array.from({ length: 8 }, () => images[0] ?? Buffer.alloc(0)));
  const line = 'POST /v1/predict?features=true HTTP/1.1';
  const one = Buffer.concat([Buffer.from(head({ ...MULTIPART, 'Content-Length': body.length }, line)), body]);
  return Array.from({ length: 1 + random.below(4) }, () => one);
}

const OTHER_ORIGIN = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' } as const;

function withWrites(data: readonly (string | Uint8Array)[], rest: Omit<Script, 'writes'>): Script {
  return { writes: data.map((one) => ({ data: one, waitMs: 0 })), ...rest };
}

/** Attacks by what strangers' files, pages and manners are like. */
export const STRANGERS: Readonly<Record<string, Attack>> = {
  'a hostile file': (random) => request(random.pick(files).bytes),
  'a form of hostile files': (random) => {
    const small = files.filter(({ bytes }) => bytes.length < 50_000);
    const parts = Array.from({ length: 1 + random.below(4) }, () => random.pick(small).bytes);
    return request(multipart(parts), MULTIPART);
  },
  'a name that is not the server’s': (random, images) => request(random.pick(images), { Host: random.pick(NAMES) }),
  'a page of another origin': (random, images) =>
    request(random.pick(images), random.chance(0.5) ? OTHER_ORIGIN : { Origin: random.text(20).replaceAll('\0', '') }),
  'a preflight': (random) => {
    const headers = {
      Origin: random.pick(['https://app.example', 'https://evil.example', 'null', random.text(9).replaceAll('\0', '')]),
      'Access-Control-Request-Method': random.pick(['POST', 'GET', 'PATCH', '']),
      'Access-Control-Request-Headers': random.pick(['content-type', 'authorization', '']),
    };
    const path = random.pick(['/v1/predict', '/v1/model', '/nowhere', '*']);
    return request(Buffer.alloc(0), headers, `OPTIONS ${path} HTTP/1.1`);
  },
  'a slow reader': (random, images) =>
    withWrites(manyAnswers(random, images), {
      end: random.pick(['leave', 'wait', 'shut'] as const),
      deafMs: random.pick([0, 500, 4000]),
    }),
  'a client that shuts its side and stays': (random, images) => {
    const { writes } = request(random.pick(images), { Connection: random.pick(['close', 'keep-alive']) });
    const data = Buffer.from(writes[0]?.data ?? '');
    const kept = random.chance(0.5) ? data : data.subarray(0, random.below(data.length));
    return withWrites([kept], { end: 'shut', staysOpen: true });
  },
  'a client that says nothing': (random) =>
    withWrites([], { end: random.pick(['wait', 'leave'] as const), deafMs: random.pick([0, 300]) }),
  'a client that keeps its connection': (random) =>
    withWrites([head({}, 'GET /healthz HTTP/1.1')], { end: 'wait', deafMs: random.below(300), staysOpen: true }),
};
