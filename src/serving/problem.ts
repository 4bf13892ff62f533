import { ResnetTorchError } from '../errors.js';
import { isError } from '../kinds.js';

/** Every failure that a client can meet: its status, and a title that does not change. */
const PROBLEMS = {
  'bad-request': [400, 'The request is not well formed'],
  'bad-query': [400, 'The query is not understood'],
  'bad-multipart': [400, 'The multipart body is not well formed'],
  'no-image': [400, 'The request holds no image'],
  'cross-origin': [403, 'Pages of this origin may not ask this'],
  'not-found': [404, 'There is nothing at this address'],
  'unknown-model': [404, 'There is no model of this name'],
  'method-not-allowed': [405, 'The method is not allowed here'],
  'slow-request': [408, 'The request took too long to arrive'],
  'body-too-large': [413, 'The body is too large'],
  'too-many-images': [413, 'The request holds too many images'],
  'image-too-large': [413, 'The image has too many pixels'],
  'unsupported-media-type': [415, 'The content type is not supported'],
  'expectation-failed': [417, 'The expectation cannot be met'],
  'wrong-host': [421, 'The server is not called by this name'],
  'undecodable-image': [422, 'The image cannot be decoded'],
  overloaded: [429, 'The server is busy'],
  'headers-too-large': [431, 'The headers are too large'],
  'internal-error': [500, 'The server failed'],
  'non-finite': [500, 'The model has no answer'],
  'not-ready': [503, 'The server is starting'],
  'shutting-down': [503, 'The server is shutting down'],
  deadline: [504, 'The prediction took too long'],
} as const satisfies Record<string, readonly [status: number, title: string]>;

export type ProblemName = keyof typeof PROBLEMS;

export const PROBLEM_NAMES = Object.keys(PROBLEMS) as readonly ProblemName[];

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Characters of a detail: what a client sent is never told back whole. */
const MOST_DETAIL = 400;

/** A problem document as RFC 9457 has it. */
export interface ProblemDocument {
  /** `urn:resnet-torch:problem:` and the problem's name; programs test this or the status. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Of the image that the problem lies in, from 0, where the request holds several. */
  readonly image?: number;
}

export interface ProblemParts {
  readonly headers?: Readonly<Record<string, string>>;
  readonly image?: number;
  readonly cause?: unknown;
}

/** A failure to be told to a client. The detail goes to strangers: no paths, no stack. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly problem: ProblemName;
  readonly headers: Readonly<Record<string, string>>;
  readonly image: number | undefined;

  constructor(problem: ProblemName, detail: string, { headers = {}, image, cause }: ProblemParts = {}) {
    super(detail, { cause });
    this.problem = problem;
    this.headers = headers;
    this.image = image;
  }

  get status(): number {
    return PROBLEMS[this.problem][0];
  }

  toDocument(): ProblemDocument {
    return {
      type: problemType(this.problem),
      title: PROBLEMS[this.problem][1],
      status: this.status,
      detail: clip(this.message, MOST_DETAIL),
      ...(this.image === undefined ? {} : { image: this.image }),
    };
  }
}

/** The beginning of a text that may be of any length. */
export function clip(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

export function problemType(name: ProblemName): string {
  return `urn:resnet-torch:problem:${name}`;
}

export function problemStatus(name: ProblemName): number {
  return PROBLEMS[name][0];
}

/** Seconds after which a client may try again. */
export const RETRY_AFTER = { 'retry-after': '1' } as const;

export function overloaded(): Problem {
  return new Problem('overloaded', 'More requests wait than the server can answer in time. Try again later.', {
    headers: RETRY_AFTER,
  });
}

/** An answer that is no number would be read as none. */
export function nonFinite(image: number, cause?: unknown): Problem {
  const detail = 'The model computed values that are not finite for this image. Its weights may be broken.';
  return new Problem('non-finite', detail, { image, cause });
}

export function shuttingDown(): Problem {
  return new Problem('shutting-down', 'The server takes no further requests.', {
    headers: { connection: 'close', 'retry-after': '5' },
  });
}

/** What a failed prediction is to the client. Failures that nobody foresaw stay as they are. */
export function predictionProblem(error: unknown, image: number, maxPixels: number): unknown {
  if (!(error instanceof ResnetTorchError)) return error;
  switch (error.code) {
    case 'ERR_IMAGE_DECODE':
      // The library names what it was given; the client is told the number of the image.
      return new Problem('undecodable-image', error.message.replace(' (given as data)', ''), { image, cause: error });
    case 'ERR_IMAGE_TOO_LARGE':
      return new Problem('image-too-large', `By its header it has more than ${maxPixels} pixels.`, {
        image,
        cause: error,
      });
    case 'ERR_OVERLOADED':
      return overloaded();
    case 'ERR_DEADLINE':
      return new Problem('deadline', error.message, { cause: error });
    case 'ERR_NON_FINITE':
      return nonFinite(image, error);
    case 'ERR_INVALID_ARGUMENT':
      return new Problem('bad-query', error.message, { cause: error });
    default:
      return error;
  }
}

/** The problem that any failure of a request is told as. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { statusCode } = error as { readonly statusCode?: unknown };
  // The web framework's own refusals, such as of a URL with a broken escape.
  if (isError(error) && typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new Problem(statusCode === 415 ? 'unsupported-media-type' : 'bad-request', error.message, { cause: error });
  }
  return new Problem('internal-error', 'The request could not be answered. The log of the server has more.', {
    cause: error,
  });
}
