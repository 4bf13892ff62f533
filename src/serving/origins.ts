import type { IncomingHttpHeaders } from 'node:http';
import { invalidArgument } from '../options.js';

/** What a page of another origin may read of an answer beside what every page may. */
const EXPOSED = 'retry-after';

/** Seconds for which a browser need not ask again; none keeps it for longer than two hours. */
const MAX_AGE = '7200';

/** Methods by which nothing is computed, so that a page that cannot read the answer gains nothing. */
const HARMLESS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Origins as browsers write them.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT`
 */
export function readOrigins(given: unknown): readonly string[] {
  if (!Array.isArray(given)) throw invalidArgument("cors must be an array, such as ['https://app.example.com'].");
  return given.map((one: unknown) => {
    if (one === '*') return one;
    const url = typeof one === 'string' && URL.canParse(one) ? new URL(one) : undefined;
    const isOrigin =
      url !== undefined && url.host !== '' && ['', '/'].includes(url.pathname) && !/[?#@*]/.test(String(one));
    if (!isOrigin) {
      throw invalidArgument(
        `cors cannot hold ${JSON.stringify(one)}: it takes origins such as https://app.example.com, without a path, or * ` +
          'for pages of any origin.',
      );
    }
    return `${url.protocol}//${url.host}`;
  });
}

/** The headers by which a page of another origin may read an answer; none where it may not. */
export function corsHeaders(cors: readonly string[], origin: string | undefined): Readonly<Record<string, string>> {
  if (cors.length === 0) return {};
  if (cors.includes('*')) {
    return { 'access-control-allow-origin': '*', 'access-control-expose-headers': EXPOSED };
  }
  // For caches: to another origin, and to none, the answer is another one.
  const vary = { vary: 'Origin' };
  if (origin === undefined || !cors.includes(origin)) return vary;
  return { ...vary, 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED };
}

/** What a browser is told that asks whether a page of another origin may send a request. */
export function preflightHeaders(methods: readonly string[]): Readonly<Record<string, string>> {
  return {
    'access-control-allow-methods': methods.join(', '),
    'access-control-allow-headers': 'content-type',
    'access-control-max-age': MAX_AGE,
  };
}

export function isPreflight(method: string, headers: IncomingHttpHeaders): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined;
}

/**
 * Whether a page of an origin that is not allowed wants something computed. A browser lets any page post a form to any
 * address, and keeps only the answer from it. What is no browser sends neither header, and is never foreign.
 */
export function isForeign(method: string, headers: IncomingHttpHeaders, cors: readonly string[]): boolean {
  if (HARMLESS.has(method)) return false;
  const { origin, host } = headers;
  if (cors.includes('*') || (origin !== undefined && cors.includes(origin))) return false;
  const site = headers['sec-fetch-site'];
  // The browser knows the address that the page has, whatever name a proxy calls the server by.
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase();
}
