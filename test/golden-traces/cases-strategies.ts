import { STRATEGY_NAMES, type StrategyName, strategies } from '../../src/training/strategies.js';
import { type Case, DOUBLE } from './case.js';
import { makeModel, openPictures, type Place } from './place.js';
import { SMALL, traceRun } from './run.js';
import type { Json, TraceOptions } from './trace.js';

type Arithmetic = 'fp64' | 'fp32' | 'bf16';

async function trace(place: Place, strategy: StrategyName, arithmetic: Arithmetic, o: TraceOptions): Promise<Json> {
  using model = await makeModel(place, {
    head: strategies[strategy].head,
    dtype: arithmetic === 'fp64' ? 'float64' : 'float32',
  });
  const data = await openPictures(place);
  const precision = arithmetic === 'fp64' ? {} : { precision: arithmetic };
  // At 32 pixels the last BatchNorms see four values, and what is learned amplifies the last bit.
  const options = { ...SMALL, imageSize: 64, resize: 72, ...precision, strategy, cache: 'off' } as const;
  const traced = await traceRun(place, { model, data, options }, o);
  data.dispose();
  return traced;
}

/** Every strategy as it is. In float32 and bfloat16 training amplifies what processors make different. */
export const strategyCases: readonly Case[] = [
  ...STRATEGY_NAMES.map(
    (strategy): Case => ({
      name: `strategy ${strategy}`,
      tolerance: DOUBLE,
      trace: (place, o) => trace(place, strategy, 'fp64', o),
    }),
  ),
  ...(['fp32', 'bf16'] as const).flatMap((arithmetic) =>
    STRATEGY_NAMES.map(
      (strategy): Case => ({
        name: `strategy ${strategy} ${arithmetic}`,
        tolerance: null,
        trace: (place, o) => trace(place, strategy, arithmetic, o),
      }),
    ),
  ),
];
