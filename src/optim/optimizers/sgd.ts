import { invalidArgument } from '../../options.js';
import type { OptimizerRule } from './rule.js';

/** Settings of SGD; rates and weight decay belong to the groups. */
export interface SgdOptions {
  /** Share of the last step that is kept, 0 ≤ momentum < 1; default 0.9. */
  readonly momentum?: number;
  /** Share of the gradient that momentum leaves out, 0 to 1; default 0. */
  readonly dampening?: number;
  /** Looks ahead by the momentum; default false. Needs momentum above 0 and no dampening. */
  readonly nesterov?: boolean;
}

/** As `torch.optim.SGD`, but for its momentum of 0.9. */
export const sgd: OptimizerRule<'sgd', SgdOptions> = {
  kind: 'sgd',
  reference: 'torch.optim.SGD',
  settings: {
    momentum: { default: 0.9, range: { min: 0, exclusiveMax: 1 } },
    dampening: { default: 0, range: { min: 0, max: 1 } },
    nesterov: { default: false },
  },
  decay: 'coupled',
  tensorsOfState: ({ momentum }) => (momentum === 0 ? 0 : 1),
  check({ momentum, dampening, nesterov }) {
    if (nesterov && (momentum === 0 || dampening > 0)) {
      throw invalidArgument(`nesterov needs momentum above 0 and no dampening; they are ${momentum} and ${dampening}.`);
    }
  },
};
