/**
 * The wire format of protocol buffers, written: a message is the concatenation of its fields, a field is its number and
 * kind, then the value. Source: https://protobuf.dev/programming-guides/encoding/.
 */

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

/** Seven bits a byte, the lowest first; the high bit says that more follow. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function tag(field: number, kind: number): Buffer {
  return varint(field * 8 + kind);
}

/** A whole number of 0 or more, or an enumeration's. */
export function integerField(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, VARINT), varint(value)]);
}

/** Many whole numbers, not packed, as `onnx.proto` declares them. */
export function integerFields(field: number, values: readonly number[]): Buffer {
  return Buffer.concat(values.map((value) => integerField(field, value)));
}

export function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(field, FIXED_32), bytes]);
}

export function textField(field: number, value: string): Buffer {
  return messageField(field, [Buffer.from(value)]);
}

/** A message within a message, of fields that were written already. */
export function messageField(field: number, fields: readonly Uint8Array[]): Buffer {
  const length = fields.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return Buffer.concat([fieldStart(field, length), ...fields]);
}

/** What stands before the `length` bytes of a message, a text or bytes that the caller writes behind it. */
export function fieldStart(field: number, length: number): Buffer {
  return Buffer.concat([tag(field, LENGTH_DELIMITED), varint(length)]);
}
