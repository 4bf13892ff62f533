import { epsilon, type OptimizerRule } from './rule.js';

/** Settings of RMSprop; rates and weight decay belong to the groups. */
export interface RmspropOptions {
  /** Decay of the running mean of the gradient's square, 0 ≤ alpha < 1; default 0.99. */
  readonly alpha?: number;
  /** Added to the denominator, above 0; default 1e-8. */
  readonly eps?: number;
  /** Share of the last step that is kept, 0 ≤ momentum < 1; default 0. */
  readonly momentum?: number;
  /** Divides by the gradient's standard deviation in the place of its root mean square; default false. */
  readonly centered?: boolean;
}

/**
 * As `torch.optim.RMSprop` (Tieleman and Hinton, 2012; centered: Graves, 2013). Where rounding makes a centered variance
 * negative, it is 0 here; PyTorch's weights are no numbers from there on.
 */
export const rmsprop: OptimizerRule<'rmsprop', RmspropOptions> = {
  kind: 'rmsprop',
  reference: 'torch.optim.RMSprop',
  settings: {
    alpha: { default: 0.99, range: { min: 0, exclusiveMax: 1 } },
    eps: epsilon(1e-8),
    momentum: { default: 0, range: { min: 0, exclusiveMax: 1 } },
    centered: { default: false },
  },
  decay: 'coupled',
  tensorsOfState: ({ momentum, centered }) => 1 + (centered ? 1 : 0) + (momentum === 0 ? 0 : 1),
};
