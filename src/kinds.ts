/**
 * What kind of thing a value is, whatever realm made it: a `vm` context, and so a test in jest or vitest, has constructors
 * of its own, of which `instanceof` knows nothing.
 */

import { types } from 'node:util';

/** An `Error`, or a `DOMException` such as an `AbortError`. */
export function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error || isTagged(value, 'DOMException');
}

export const isRegExp: (value: unknown) => value is RegExp = types.isRegExp;

export function isAbortSignal(value: unknown): value is AbortSignal {
  return isTagged(value, 'AbortSignal') && has(value, 'addEventListener');
}

export function isUrl(value: unknown): value is URL {
  return isTagged(value, 'URL') && 'href' in value && typeof value.href === 'string';
}

/** A `Blob`, or a `File`, which is one. */
export function isBlob(value: unknown): value is Blob {
  return (isTagged(value, 'Blob') || isTagged(value, 'File')) && has(value, 'arrayBuffer');
}

export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && has(value, 'then');
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return isObject(value) && has(value, Symbol.asyncIterator);
}

/** A web stream, of Node or of a library that has its own. */
export function isReadableStream(value: unknown): value is ReadableStream<unknown> {
  return isObject(value) && has(value, 'getReader') && has(value, 'cancel');
}

/** What a message calls a value of this class, such as `Float32Array`; `undefined` of a plain object. */
export function classOf(value: object): string | undefined {
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (tag !== 'Object') return tag;
  const name: unknown = (value as { readonly constructor?: { readonly name?: unknown } }).constructor?.name;
  return typeof name === 'string' && name !== 'Object' && name !== '' ? name : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isTagged(value: unknown, tag: string): value is object {
  return isObject(value) && Object.prototype.toString.call(value) === `[object ${tag}]`;
}

function has(value: object, method: string | symbol): boolean {
  return typeof (value as Readonly<Record<string | symbol, unknown>>)[method] === 'function';
}
