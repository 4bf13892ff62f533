/**
 * The messages of an ONNX model that this network needs. Field numbers are those of `onnx.proto`:
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */

import { fieldStart, floatField, integerField, integerFields, messageField, textField } from './protobuf.js';

/** `TensorProto.DataType.FLOAT` */
const FLOAT = 1;

/** A number that is whole is an `INT`, `{ float }` a `FLOAT`, an array `INTS`. */
export type AttributeValue = number | { readonly float: number } | readonly number[];

export interface Node {
  /** The operator, such as `Conv`. */
  readonly operator: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

/** A float32 tensor. A text in a shape names an axis of any length. */
export interface Value {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

export function nodeField(field: number, node: Node): Buffer {
  return messageField(field, [
    ...node.inputs.map((name) => textField(1, name)),
    textField(2, node.output),
    textField(3, node.name),
    textField(4, node.operator),
    ...Object.entries(node.attributes ?? {}).map(([name, value]) => messageField(5, attribute(name, value))),
  ]);
}

function attribute(name: string, value: AttributeValue): readonly Buffer[] {
  const [kind, body] =
    typeof value === 'number'
      ? [2, integerField(3, value)]
      : 'float' in value
        ? [1, floatField(2, value.float)]
        : [7, integerFields(8, value)];
  return [textField(1, name), body, integerField(20, kind)];
}

export function valueField(field: number, { name, shape }: Value): Buffer {
  const axes = shape.map((side) =>
    messageField(1, [typeof side === 'number' ? integerField(1, side) : textField(2, side)]),
  );
  const tensorType = messageField(1, [integerField(1, FLOAT), messageField(2, axes)]);
  return messageField(field, [textField(1, name), messageField(2, [tensorType])]);
}

export function entryField(field: number, key: string, value: string): Buffer {
  return messageField(field, [textField(1, key), textField(2, value)]);
}

/** All of an initializer but its values, which the caller writes behind it: little-endian float32, row-major. */
export function initializerStart(field: number, name: string, shape: readonly number[]): Buffer {
  const bytes = 4 * shape.reduce((product, side) => product * side, 1);
  const head = [integerFields(1, shape), integerField(2, FLOAT), textField(8, name), fieldStart(9, bytes)];
  return Buffer.concat([
    fieldStart(
      field,
      head.reduce((sum, part) => sum + part.length, bytes),
    ),
    ...head,
  ]);
}
