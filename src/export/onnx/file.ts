import type { NativeModel } from '../../native/contract/model.js';
import { invalidArgument } from '../../options.js';
import { packageVersion } from '../../version.js';
import type { Graph } from './graph.js';
import { entryField, initializerStart, nodeField, valueField } from './messages.js';
import { fieldStart, integerField, messageField, textField } from './protobuf.js';

/** The oldest and the newest set of operators that the graph is valid in and that was checked. */
export const OPSETS = { min: 13, max: 21, default: 17 } as const;

/** Protocol buffers end here. */
const MOST_BYTES = 2 ** 31 - 1;

/** `GraphProto` in `ModelProto`, and `initializer` in `GraphProto`. */
const GRAPH_FIELD = 7;
const INITIALIZER_FIELD = 5;

export interface OnnxFile {
  readonly bytes: number;
  /** The file in parts; weights are read as they are come to. */
  parts(model: NativeModel): AsyncGenerator<Uint8Array>;
}

/**
 * @param metadata goes to `metadata_props`
 * @throws ERR_INVALID_ARGUMENT when the file would be larger than ONNX allows
 */
export function onnxFile(graph: Graph, opset: number, metadata: Readonly<Record<string, string>>): OnnxFile {
  const starts = graph.weights.map(({ tensors }) =>
    tensors.map(({ name, shape }) => initializerStart(INITIALIZER_FIELD, name, shape)),
  );
  const weightBytes = graph.weights.reduce((sum, { tensors }) => sum + float32Bytes(tensors), 0);
  const before = [...graph.nodes.map((node) => nodeField(1, node)), textField(2, graph.name)];
  const after = [valueField(11, graph.input), valueField(12, graph.output)];
  const graphBytes = bytesOf([...before, ...starts.flat(), ...after]) + weightBytes;
  const head = [
    // Runtimes of the time of opset 13 and 14 know this version of the format and none that came later.
    integerField(1, opset < 15 ? 7 : 8),
    textField(2, 'resnet-torch'),
    textField(3, packageVersion()),
    fieldStart(GRAPH_FIELD, graphBytes),
    ...before,
  ];
  const tail = [
    ...after,
    messageField(8, [textField(1, ''), integerField(2, opset)]),
    ...Object.entries(metadata).map(([key, value]) => entryField(14, key, value)),
  ];
  const bytes = bytesOf([...head, ...starts.flat(), ...tail]) + weightBytes;
  if (bytes > MOST_BYTES) {
    throw invalidArgument(
      `The model takes ${bytes} bytes, and an ONNX file holds ${MOST_BYTES} at most. Export it as safetensors, or use a narrower head.`,
    );
  }
  return { bytes, parts };

  async function* parts(model: NativeModel): AsyncGenerator<Uint8Array> {
    yield Buffer.concat(head);
    for (const [group, weights] of graph.weights.entries()) {
      const values = await weights.read(model);
      for (const [index, start] of (starts[group] ?? []).entries()) {
        yield start;
        yield asBytes(values[index] as Float32Array);
      }
    }
    yield Buffer.concat(tail);
  }
}

function float32Bytes(tensors: readonly { readonly shape: readonly number[] }[]): number {
  return tensors.reduce((sum, { shape }) => sum + 4 * shape.reduce((product, side) => product * side, 1), 0);
}

function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function asBytes({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
