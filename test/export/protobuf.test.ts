import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onnxFile } from '../../src/export/onnx/file.js';
import { networkGraph } from '../../src/export/onnx/graph.js';
import { floatField, integerField, integerFields, messageField, textField } from '../../src/export/onnx/protobuf.js';
import { fails } from '../support/fails.js';

describe('protocol buffers', () => {
  it('are written as the format says', () => {
    // The examples of the format's own description.
    assert.equal(integerField(1, 150).toString('hex'), '089601');
    assert.equal(textField(2, 'testing').toString('hex'), '120774657374696e67');
    assert.equal(messageField(3, [integerField(1, 150)]).toString('hex'), '1a03089601');
    assert.equal(integerFields(8, [3, 300]).toString('hex'), '400340ac02');
    assert.equal(floatField(2, 1e-5).toString('hex'), '15acc52737');
    assert.equal(integerField(20, 7).toString('hex'), 'a00107');
    assert.equal(integerField(1, 2 ** 40).toString('hex'), '08808080808020');
  });

  it('end before 2 GiB, which is said before anything is written', () => {
    const graph = networkGraph(
      'resnet50',
      { classes: 1_000_000, hidden: [], dropout: 0 },
      { fold: true, softmax: false },
    );
    assert.throws(() => onnxFile(graph, 17, {}), fails('ERR_INVALID_ARGUMENT', /2147483647 at most.*safetensors/));
  });
});
