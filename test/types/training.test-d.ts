/** Checked by the compiler, never run: what an editor says of training. */

import { expectTypeOf } from 'expect-type';
import {
  type Dataset,
  type EpochControl,
  type EpochEvent,
  type Metrics,
  optimizers,
  type ResNet50,
  type Schedule,
  type Strategy,
  type StrategyName,
  schedules,
  strategies,
  type TrainingEvent,
  type TrainingResult,
  type TrainOptions,
  train,
} from 'resnet-torch';

declare const model: ResNet50;
declare const data: Dataset;

// Strategies are known by name, and a name that is none does not compile.
expectTypeOf<StrategyName>().toEqualTypeOf<'feature-extraction' | 'partial' | 'differential' | 'full'>();
expectTypeOf(strategies).toEqualTypeOf<Readonly<Record<StrategyName, Strategy>>>();
expectTypeOf(strategies.partial).toEqualTypeOf<Strategy>();
expectTypeOf<TrainOptions['strategy']>().toEqualTypeOf<StrategyName | Strategy | undefined>();
train(model, data, { strategy: { ...strategies.partial, augment: 'standard' }, optimizer: optimizers.adamW() });
train(model, data, {
  augment: { policy: 'standard', colorJitter: { hue: 0.1 } },
  randomErasing: 0.25,
  cropScale: [0.5, 1],
});
// @ts-expect-error a policy that there is not
train(model, data, { augment: { policy: 'strong' } });
// @ts-expect-error a slip of the hand
train(model, data, { strategy: 'parital' });
// @ts-expect-error an option that there is not
train(model, data, { epoch: 3 });
// @ts-expect-error plain data, not text
train(model, data, { epochs: '3' });
// @ts-expect-error values are not changed in place
strategies.partial.augment = 'flip';

// Events are told apart by `type`.
expectTypeOf<TrainingEvent['type']>().toEqualTypeOf<
  'start' | 'step' | 'epoch' | 'checkpoint' | 'cache' | 'skipped' | 'note' | 'aborted' | 'error' | 'result'
>();
const run = train(model, data);
expectTypeOf(run.result).resolves.toEqualTypeOf<TrainingResult>();
for await (const event of run) {
  expectTypeOf(event).toEqualTypeOf<TrainingEvent>();
  // @ts-expect-error only some have it
  event.val;
  if (event.type === 'epoch') {
    expectTypeOf(event).toEqualTypeOf<EpochEvent>();
    expectTypeOf(event.val).toEqualTypeOf<Metrics>();
  } else if (event.type === 'step') {
    expectTypeOf(event.loss).toBeNumber();
  } else if (event.type === 'aborted') {
    expectTypeOf(event.checkpoint).toEqualTypeOf<string | null>();
  }
}

/** A switch over all kinds leaves nothing over. */
export function isLast(event: TrainingEvent): boolean {
  switch (event.type) {
    case 'result':
    case 'error':
    case 'aborted':
      return true;
    case 'start':
    case 'step':
    case 'epoch':
    case 'checkpoint':
    case 'cache':
    case 'skipped':
    case 'note':
      return false;
    default:
      expectTypeOf(event).toBeNever();
      return event;
  }
}

// A callback between epochs may be async, and is given the end of the epoch and the control.
train(model, data, {
  onEpoch: async (event, control) => {
    expectTypeOf(event).toEqualTypeOf<EpochEvent>();
    expectTypeOf(control).toEqualTypeOf<EpochControl>();
    expectTypeOf(control.setRate).parameters.toEqualTypeOf<[group: string, lr: number]>();
  },
});

// A schedule has the options that are its own, and no other's.
expectTypeOf(schedules.polynomial({ power: 2, floor: 0.1, warmup: 3 })).toEqualTypeOf<Schedule>();
expectTypeOf(schedules.constant({ warmup: 3 })).toEqualTypeOf<Schedule>();
// @ts-expect-error a line has no power
schedules.linear({ power: 2 });
// @ts-expect-error what never falls has no floor
schedules.constant({ floor: 0.1 });
train(model, data, { schedule: 'polynomial', schedulePower: 2 });
train(model, data, { schedule: { kind: 'polynomial', power: 2 } });
// @ts-expect-error a slip of the hand
train(model, data, { schedule: 'polynomal' });
