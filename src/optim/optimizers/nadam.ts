import { beta, epsilon, type OptimizerRule } from './rule.js';

/** Settings of NAdam; rates and weight decay belong to the groups. */
export interface NAdamOptions {
  /** Decay of the running means of the gradient and of its square, each 0 ≤ beta < 1; default `[0.9, 0.999]`. */
  readonly betas?: readonly [number, number];
  /** Added to the denominator, above 0; default 1e-8. */
  readonly eps?: number;
  /** How fast the momentum rises to `betas[0]`, 0 or more; default 4e-3. */
  readonly momentumDecay?: number;
  /** Weight decay shrinks the weights themselves, as AdamW's, and is not added to the gradient; default false. */
  readonly decoupledWeightDecay?: boolean;
}

/** As `torch.optim.NAdam` (Dozat, 2016). */
export const nadam: OptimizerRule<'nadam', NAdamOptions> = {
  kind: 'nadam',
  reference: 'torch.optim.NAdam',
  settings: {
    beta1: beta(0.9),
    beta2: beta(0.999),
    eps: epsilon(1e-8),
    momentumDecay: { default: 4e-3, range: { min: 0 } },
    decoupledWeightDecay: { default: false },
  },
  decay: 'coupled',
  tensorsOfState: () => 2,
};
