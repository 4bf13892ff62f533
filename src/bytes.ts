/** Views of memory that callers hand over: of any realm, shared between threads, resizable, or gone. */

import { types } from 'node:util';
import { classOf } from './kinds.js';
import type { Floats } from './native/contract/model.js';
import { describe, invalidArgument } from './options.js';

/** What bytes may come in. */
export type Bytes = Uint8Array | Uint8ClampedArray | DataView | ArrayBuffer | SharedArrayBuffer;

export function isBytes(value: unknown): value is Bytes {
  return (
    types.isUint8Array(value) ||
    types.isUint8ClampedArray(value) ||
    types.isDataView(value) ||
    types.isAnyArrayBuffer(value)
  );
}

/**
 * The same bytes as a `Uint8Array` of this realm over memory that native code can read: the caller's own, or a copy where
 * that is shared between threads or resizable.
 *
 * @param name of what the bytes are, in messages
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` where the memory was transferred away
 */
export function viewOf(bytes: Bytes, name: string): Uint8Array {
  const view = types.isAnyArrayBuffer(bytes) ? wholeOf(bytes, name) : partOf(bytes, name);
  return isFixed(view.buffer) ? view : Uint8Array.from(view);
}

/** A copy, which nobody else changes. */
export function copyOf(bytes: Bytes, name: string): Uint8Array {
  return Uint8Array.from(viewOf(bytes, name));
}

/**
 * Numbers as native code reads them, of whatever realm; copied where their memory is shared or resizable.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for anything else
 */
export function floatsOf(value: unknown, name: string): Floats {
  if (!types.isFloat32Array(value) && !types.isFloat64Array(value)) {
    throw invalidArgument(`${name} must be a Float32Array or a Float64Array, not ${describe(value)}.`);
  }
  refuseLost(value, name);
  if (isFixed(value.buffer)) return value;
  return types.isFloat32Array(value) ? Float32Array.from(value) : Float64Array.from(value);
}

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for anything but an `Int32Array`, of whatever realm */
export function int32sOf(value: unknown, name: string): Int32Array {
  if (!types.isInt32Array(value)) throw invalidArgument(`${name} must be an Int32Array, not ${describe(value)}.`);
  refuseLost(value, name);
  return isFixed(value.buffer) ? value : Int32Array.from(value);
}

function wholeOf(buffer: ArrayBuffer | SharedArrayBuffer, name: string): Uint8Array {
  if (isDetached(buffer)) throw detached(buffer, name);
  return new Uint8Array(buffer);
}

function partOf(view: Uint8Array | Uint8ClampedArray | DataView, name: string): Uint8Array {
  refuseLost(view, name);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Of memory that is gone a typed array says that it is empty, and a DataView throws. */
function refuseLost(view: ArrayBufferView, name: string): void {
  if (isDetached(view.buffer)) throw detached(view, name);
  try {
    view.byteLength;
  } catch {
    throw invalidArgument(`${name} is a DataView that reaches beyond the end of its buffer, which was resized.`);
  }
}

function detached(value: object, name: string): Error {
  return invalidArgument(
    `${name} is a ${classOf(value)} whose memory was transferred away (by postMessage() or structuredClone()). Give it before, or a copy.`,
  );
}

/** `detached` itself is newer than the oldest Node that is supported. */
function isDetached(buffer: ArrayBufferLike): boolean {
  if (types.isSharedArrayBuffer(buffer) || buffer.byteLength > 0) return false;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** Neither shared between threads nor resizable: native code reads no other. */
function isFixed(buffer: ArrayBufferLike): boolean {
  return !types.isSharedArrayBuffer(buffer) && (buffer as { readonly resizable?: boolean }).resizable !== true;
}
