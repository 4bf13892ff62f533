import type { NativeOptimizer } from '../native/contract/session.js';
import { checkOptions, describe, invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';

/** An optimizer as plain data. Rates and weight decay belong to the parameter groups. */
export type OptimizerSpec = NativeOptimizer;

/** Settings of SGD; rates and weight decay belong to the groups. */
export interface SgdOptions {
  /** Share of the last step that is kept, 0 ≤ momentum < 1; default 0.9. */
  readonly momentum?: number;
  /** Share of the gradient that momentum leaves out, 0 to 1; default 0. */
  readonly dampening?: number;
  /** Looks ahead by the momentum; default false. Needs momentum above 0 and no dampening. */
  readonly nesterov?: boolean;
}

/** Settings of Adam and AdamW; rates and weight decay belong to the groups. */
export interface AdamOptions {
  /** Decay of the running means of the gradient and of its square, each 0 ≤ beta < 1; default `[0.9, 0.999]`. */
  readonly betas?: readonly [number, number];
  /** Added to the denominator, above 0; default 1e-8. */
  readonly eps?: number;
}

function sgd(options: SgdOptions = {}): OptimizerSpec {
  checkOptions(options, ['momentum', 'dampening', 'nesterov'], 'optimizers.sgd()');
  const momentum = requireNumber(options.momentum ?? 0.9, 'momentum', { min: 0, exclusiveMax: 1 });
  const dampening = requireNumber(options.dampening ?? 0, 'dampening', { min: 0, max: 1 });
  const nesterov = requireBoolean(options.nesterov ?? false, 'nesterov');
  if (nesterov && (momentum === 0 || dampening > 0)) {
    throw invalidArgument(`nesterov needs momentum above 0 and no dampening; they are ${momentum} and ${dampening}.`);
  }
  return { kind: 'sgd', momentum, dampening, nesterov };
}

function adamOf(kind: 'adam' | 'adamw', name: string, options: AdamOptions): OptimizerSpec {
  checkOptions(options, ['betas', 'eps'], name);
  const betas: unknown = options.betas ?? [0.9, 0.999];
  if (!Array.isArray(betas) || betas.length !== 2) {
    throw invalidArgument(`betas must be two numbers, such as [0.9, 0.999], not ${describe(betas)}.`);
  }
  return {
    kind,
    beta1: requireNumber(betas[0], 'betas[0]', { min: 0, exclusiveMax: 1 }),
    beta2: requireNumber(betas[1], 'betas[1]', { min: 0, exclusiveMax: 1 }),
    eps: requireNumber(options.eps ?? 1e-8, 'eps', { exclusiveMin: 0 }),
  };
}

/** The optimizers, with the arithmetic and defaults of PyTorch's of the same names (but for SGD's momentum of 0.9). */
export const optimizers = {
  /** `torch.optim.SGD`. Weight decay is added to the gradient. */
  sgd,
  /** `torch.optim.Adam` (Kingma and Ba, 2015). Weight decay is added to the gradient. */
  adam: (options: AdamOptions = {}): OptimizerSpec => adamOf('adam', 'optimizers.adam()', options),
  /**
   * `torch.optim.AdamW` (Loshchilov and Hutter, 2019). Weight decay shrinks the weights themselves, by the rate. It is
   * the groups' and 0 by default there, as everywhere; 0.01 is usual.
   */
  adamW: (options: AdamOptions = {}): OptimizerSpec => adamOf('adamw', 'optimizers.adamW()', options),
} as const;

export type OptimizerKind = OptimizerSpec['kind'];

/** Names by which options and the command line know the optimizers. */
export const OPTIMIZER_KINDS = ['sgd', 'adam', 'adamw'] as const satisfies readonly OptimizerKind[];

/**
 * An optimizer by name, with its defaults, or plain data, checked as if `optimizers` had made it: it may have been
 * written by hand, or read from a file.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown name or option, or a number out of range
 */
export function optimizerOf(optimizer: OptimizerKind | OptimizerSpec): OptimizerSpec {
  if (typeof optimizer !== 'object' || optimizer === null) {
    const kind = requireOneOf(optimizer, 'optimizer', OPTIMIZER_KINDS);
    return kind === 'sgd' ? sgd() : adamOf(kind, 'optimizer', {});
  }
  const { kind, ...options } = optimizer;
  requireOneOf(kind, 'optimizer.kind', OPTIMIZER_KINDS);
  if (optimizer.kind === 'sgd') return sgd(options as SgdOptions);
  checkOptions(options, ['beta1', 'beta2', 'eps'], 'optimizer');
  return adamOf(optimizer.kind, 'optimizer', { betas: [optimizer.beta1, optimizer.beta2], eps: optimizer.eps });
}
