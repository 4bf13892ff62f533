import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openWeights } from '../../src/model/weights/index.js';
import type { NativeOptimizer } from '../../src/native/contract/optimizer.js';
import { OPTIMIZER_KINDS, OPTIMIZER_RULES, optimizerOf } from '../../src/optim/optimizers.js';
import { temporaryDirectory } from '../support/paths.js';
import { ADAM, newModel, newSession } from './support/sessions.js';

const NAME = 'fc.bias';
const GRADIENT = { [NAME]: Float32Array.of(0.5, -0.25) };
const RATES = Float64Array.of(1e-2);

describe('the rules of native code are those of TypeScript', () => {
  const model = newModel();
  after(() => model.dispose());
  const sessionOf = (optimizer: NativeOptimizer) => newSession(model, [NAME], { optimizer });

  for (const { kind, tensorsOfState } of OPTIMIZER_RULES) {
    it(`${kind}: its settings, and as many tensors of state`, async (t) => {
      const spec = optimizerOf(kind);
      const path = join(await temporaryDirectory(t), 'last.state');
      const session = sessionOf(spec);
      await session.apply(GRADIENT, RATES);
      const before = await model.read(NAME);
      await session.apply(GRADIENT, RATES);
      assert.notDeepEqual(await model.read(NAME), before);
      await session.save([{ path, holds: 'state', metadata: {} }]);
      session.dispose();
      const held = [...(await openWeights(path)).tensors].filter(([name]) => !name.endsWith('.start'));
      assert.equal(held.filter(([, { shape }]) => shape.length > 0).length, tensorsOfState(spec));

      const { kind: _, ...settings } = spec;
      for (const name of Object.keys(settings)) {
        const { [name]: left, ...rest }: Record<string, unknown> = spec;
        assert.throws(() => sessionOf(rest as never), {
          code: 'ERR_INVALID_ARGUMENT',
          message: new RegExp(`optimizer\\.${name}\\b`),
        });
        assert.notEqual(left, undefined);
      }
    });
  }

  it('an unknown one is refused with the names of all', () => {
    assert.throws(
      () => sessionOf({ kind: 'adagrad' }),
      ({ code, message }: { readonly code: string; readonly message: string }) =>
        code === 'ERR_INVALID_ARGUMENT' && OPTIMIZER_KINDS.every((kind) => message.includes(kind)),
    );
  });

  it('a state of which a part is missing, or that is of another rule, is refused', async (t) => {
    const path = join(await temporaryDirectory(t), 'last.state');
    const first = sessionOf(ADAM);
    await first.apply(GRADIENT, RATES);
    await first.save([{ path, holds: 'state', metadata: {} }]);
    first.dispose();
    const tensors = [...(await openWeights(path)).tensors.values()];
    for (const state of ['exp_avg', 'exp_avg_sq', 'step']) {
      const session = sessionOf(ADAM);
      const rest = tensors.filter(({ name }) => name !== `${NAME}.${state}`);
      await assert.rejects(session.loadState(path, rest), {
        code: 'ERR_CHECKPOINT',
        message: /fc\.bias a part is missing/,
      });
      session.dispose();
    }
    const other = sessionOf(optimizerOf('rmsprop'));
    await assert.rejects(other.loadState(path, tensors), {
      code: 'ERR_CHECKPOINT',
      message: /fc\.bias\.exp_avg.* does not belong to this optimizer/,
    });
    other.dispose();
  });
});
