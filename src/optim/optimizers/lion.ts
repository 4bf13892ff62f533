import { beta, type OptimizerRule } from './rule.js';

/** Settings of Lion; rates and weight decay belong to the groups. */
export interface LionOptions {
  /**
   * Shares of the running mean in the direction of the step, and in the mean that is kept, each 0 ≤ beta < 1; default
   * `[0.9, 0.99]`.
   */
  readonly betas?: readonly [number, number];
}

/** As `timm.optim.Lion` (Chen et al., 2023), without its `caution`. */
export const lion: OptimizerRule<'lion', LionOptions> = {
  kind: 'lion',
  reference: 'timm.optim.Lion',
  settings: { beta1: beta(0.9), beta2: beta(0.99) },
  decay: 'decoupled',
  tensorsOfState: () => 1,
};
