import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { computeOf, type PrecisionHost, precisionName, resolveCompute } from '../../src/model/precision.js';
import type { ComputeCapability } from '../../src/native/contract/device.js';

const onCpu = { dtype: 'float32', device: 'cpu' } as const;
const onCuda = { dtype: 'float32', device: 'cuda:1' } as const;

/** A host whose second device is of this compute capability. */
function host(capability: ComputeCapability | null, fastBf16 = false): PrecisionHost {
  const devices = capability === null ? [] : [{ capability: [9, 0] as const }, { capability }];
  return { info: () => ({ fastBf16 }), cudaStatus: () => ({ devices }) };
}

describe('precisions', () => {
  it('come to the arithmetic that they name, and back', () => {
    for (const precision of ['bf16', 'fp16'] as const) {
      const compute = resolveCompute(precision, onCuda, host([8, 0]));
      assert.equal(compute, precision);
      assert.equal(precisionName(compute, 'float32'), precision);
      assert.equal(computeOf(precision), precision);
    }
    assert.equal(resolveCompute('fp32', onCpu, host(null)), 'dtype');
    assert.equal(resolveCompute('fp32', onCuda, host([7, 5])), 'dtype');
    assert.equal(precisionName('dtype', 'float64'), 'fp64');
    assert.equal(computeOf('fp32'), 'dtype');
  });

  it('have no fp16 on the CPU, and no bf16 on devices that lack it', () => {
    assert.throws(() => resolveCompute('fp16', onCpu, host(null)), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /needs a CUDA device.*'bf16' or 'fp32'/,
    });
    assert.throws(() => resolveCompute('bf16', onCuda, host([7, 5])), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /needs compute capability 8\.0, and the device has 7\.5.*'fp16'/,
    });
  });

  it('are chosen by what the device is fast at', () => {
    assert.equal(resolveCompute('auto', onCpu, host(null, true)), 'bf16');
    assert.equal(resolveCompute('auto', onCpu, host(null, false)), 'dtype');
    assert.equal(resolveCompute('auto', onCuda, host([8, 6])), 'bf16');
    assert.equal(resolveCompute('auto', onCuda, host([7, 5])), 'fp16');
  });

  it('cannot be asked of a float64 model', () => {
    const model = { dtype: 'float64', device: 'cpu' } as const;
    assert.equal(resolveCompute('auto', model, host(null)), 'dtype');
    assert.throws(() => resolveCompute('fp32', model, host(null)), { code: 'ERR_INVALID_ARGUMENT' });
  });
});
