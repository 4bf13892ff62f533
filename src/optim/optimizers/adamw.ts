import { type AdamOptions, adam } from './adam.js';
import type { OptimizerRule } from './rule.js';

/** As `torch.optim.AdamW` (Loshchilov and Hutter, 2019). */
export const adamw: OptimizerRule<'adamw', AdamOptions> = {
  ...adam,
  kind: 'adamw',
  reference: 'torch.optim.AdamW',
  decay: 'decoupled',
  usualWeightDecay: 0.01,
};
