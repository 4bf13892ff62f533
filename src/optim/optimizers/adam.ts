import { beta, epsilon, type OptimizerRule } from './rule.js';

/** Settings of Adam and AdamW; rates and weight decay belong to the groups. */
export interface AdamOptions {
  /** Decay of the running means of the gradient and of its square, each 0 ≤ beta < 1; default `[0.9, 0.999]`. */
  readonly betas?: readonly [number, number];
  /** Added to the denominator, above 0; default 1e-8. */
  readonly eps?: number;
}

/** As `torch.optim.Adam` (Kingma and Ba, 2015). */
export const adam: OptimizerRule<'adam', AdamOptions> = {
  kind: 'adam',
  reference: 'torch.optim.Adam',
  settings: { beta1: beta(0.9), beta2: beta(0.999), eps: epsilon(1e-8) },
  decay: 'coupled',
  tensorsOfState: () => 2,
};
