import type { NativeOptimizer } from '../native/binding.js';
import { checkOptions, requireBoolean, requireNumber } from '../options.js';

/** An optimizer as plain data. Rates and weight decay belong to the parameter groups. */
export type OptimizerSpec = NativeOptimizer;

export interface SgdOptions {
  /** Default 0.9. */
  readonly momentum?: number;
  /** Default 0. */
  readonly dampening?: number;
  /** Default false; needs momentum and no dampening. */
  readonly nesterov?: boolean;
}

export interface AdamOptions {
  /** Decay of the running means of the gradient and of its square; default `[0.9, 0.999]`. */
  readonly betas?: readonly [number, number];
  /** Added to the denominator; default 1e-8. */
  readonly eps?: number;
}

function adamSpec(kind: 'adam' | 'adamw', options: AdamOptions): OptimizerSpec {
  checkOptions(options, ['betas', 'eps'], `optimizers.${kind === 'adam' ? 'adam' : 'adamW'}()`);
  const [beta1, beta2] = options.betas ?? [0.9, 0.999];
  return {
    kind,
    beta1: requireNumber(beta1, 'betas[0]', { min: 0, exclusiveMax: 1 }),
    beta2: requireNumber(beta2, 'betas[1]', { min: 0, exclusiveMax: 1 }),
    eps: requireNumber(options.eps ?? 1e-8, 'eps', { exclusiveMin: 0 }),
  };
}

/** The optimizers, with the arithmetic of PyTorch's of the same names. */
export const optimizers = {
  /** `torch.optim.SGD`. Weight decay is added to the gradient. */
  sgd(options: SgdOptions = {}): OptimizerSpec {
    checkOptions(options, ['momentum', 'dampening', 'nesterov'], 'optimizers.sgd()');
    const momentum = requireNumber(options.momentum ?? 0.9, 'momentum', { min: 0, exclusiveMax: 1 });
    const dampening = requireNumber(options.dampening ?? 0, 'dampening', { min: 0, max: 1 });
    const nesterov = requireBoolean(options.nesterov ?? false, 'nesterov');
    if (nesterov) {
      requireNumber(momentum, 'momentum (with nesterov)', { exclusiveMin: 0 });
      requireNumber(dampening, 'dampening (with nesterov)', { max: 0 });
    }
    return { kind: 'sgd', momentum, dampening, nesterov };
  },
  /** `torch.optim.Adam` (Kingma and Ba, 2015). Weight decay is added to the gradient. */
  adam(options: AdamOptions = {}): OptimizerSpec {
    return adamSpec('adam', options);
  },
  /** `torch.optim.AdamW` (Loshchilov and Hutter, 2019). Weight decay shrinks the weights themselves, by the rate. */
  adamW(options: AdamOptions = {}): OptimizerSpec {
    return adamSpec('adamw', options);
  },
} as const;

export const OPTIMIZER_KINDS = ['sgd', 'adam', 'adamw'] as const satisfies readonly OptimizerSpec['kind'][];

/** An optimizer with its default options, by the name that the command line uses. */
export function optimizerOf(kind: OptimizerSpec['kind']): OptimizerSpec {
  if (kind === 'sgd') return optimizers.sgd();
  return kind === 'adam' ? optimizers.adam() : optimizers.adamW();
}
