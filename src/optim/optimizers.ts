import { checkOptions, describe, invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';
import { adam } from './optimizers/adam.js';
import { adamw } from './optimizers/adamw.js';
import { lion } from './optimizers/lion.js';
import { nadam } from './optimizers/nadam.js';
import { rmsprop } from './optimizers/rmsprop.js';
import type { OptimizerRule, OptimizerSetting, SettingsOf, SettingValues } from './optimizers/rule.js';
import { sgd } from './optimizers/sgd.js';

/** The optimizers. A further one is a file of its own and a row here, and the same in native code. */
const RULES = {
  /** `torch.optim.SGD`. Weight decay is added to the gradient. */
  sgd,
  /** `torch.optim.Adam` (Kingma and Ba, 2015). Weight decay is added to the gradient. */
  adam,
  /**
   * `torch.optim.AdamW` (Loshchilov and Hutter, 2019). Weight decay shrinks the weights themselves, by the rate. It is
   * the groups' and 0 by default there, as everywhere; 0.01 is usual.
   */
  adamW: adamw,
  /** `torch.optim.RMSprop`, centered or not, with momentum or without. Weight decay is added to the gradient. */
  rmsprop,
  /** `torch.optim.NAdam` (Dozat, 2016). Weight decay is added to the gradient, or decoupled as AdamW's. */
  nadam,
  /**
   * `timm.optim.Lion` (Chen et al., 2023): every weight moves by its rate, up or down. Weight decay shrinks the weights, by
   * the rate. Rates are three to ten times smaller than Adam's, weight decay as much larger.
   */
  lion,
} as const;

type OptionsOf<Rule> = Rule extends OptimizerRule<string, infer Options> ? Options : never;

type SpecOf<Rule> =
  Rule extends OptimizerRule<infer Kind, infer Options>
    ? { readonly kind: Kind } & Readonly<SettingsOf<Options>>
    : never;

/** An optimizer as plain data. Rates and weight decay belong to the parameter groups. */
export type OptimizerSpec = { [Name in keyof typeof RULES]: SpecOf<(typeof RULES)[Name]> }[keyof typeof RULES];

/** The name of an optimizer. */
export type OptimizerKind = OptimizerSpec['kind'];

/** All of them, in the order of the documentation. */
export const OPTIMIZER_RULES: readonly OptimizerRule<OptimizerKind>[] = Object.values(RULES);

/** Names by which options and the command line know the optimizers. */
export const OPTIMIZER_KINDS = OPTIMIZER_RULES.map(({ kind }) => kind);

/**
 * The optimizers, with the arithmetic and defaults of PyTorch's of the same names (but for SGD's momentum of 0.9), and of
 * timm's where PyTorch has none.
 */
export const optimizers = Object.fromEntries(
  Object.entries(RULES).map(([name, rule]) => [
    name,
    (options = {}) => fromOptions(rule, `optimizers.${name}()`, options),
  ]),
) as {
  readonly [Name in keyof typeof RULES]: (options?: OptionsOf<(typeof RULES)[Name]>) => OptimizerSpec;
};

/** Where a rule has a pair of betas, they are one option and two settings. */
const BETAS = ['beta1', 'beta2'] as const;

function fromOptions(rule: OptimizerRule, where: string, options: object): OptimizerSpec {
  const names = Object.keys(rule.settings);
  const pair = BETAS.every((name) => names.includes(name));
  const own = names.filter((name) => !pair || !(BETAS as readonly string[]).includes(name));
  checkOptions(options, pair ? ['betas', ...own] : own, where);
  const { betas, ...rest } = options as { readonly betas?: unknown };
  if (betas === undefined) return specOf(rule, rest);
  if (!Array.isArray(betas) || betas.length !== 2) {
    throw invalidArgument(`betas must be two numbers, such as [0.9, 0.999], not ${describe(betas)}.`);
  }
  const label = (name: string) => (name === 'beta1' ? 'betas[0]' : name === 'beta2' ? 'betas[1]' : name);
  return specOf(rule, { ...rest, beta1: betas[0] as unknown, beta2: betas[1] as unknown }, label);
}

/** Checked settings, or their defaults, in the order of the rule. */
function specOf(rule: OptimizerRule, given: object, label = (name: string) => name): OptimizerSpec {
  const known = Object.entries<OptimizerSetting>(rule.settings);
  const values = given as Readonly<Record<string, unknown>>;
  const settings = Object.fromEntries(
    known.map(([name, setting]) => [name, checked(setting, values[name] ?? setting.default, label(name))]),
  );
  rule.check?.(settings);
  return { kind: rule.kind, ...settings } as OptimizerSpec;
}

function checked(setting: OptimizerSetting, value: unknown, name: string): number | boolean {
  return 'range' in setting ? requireNumber(value, name, setting.range) : requireBoolean(value, name);
}

function ruleOf(kind: OptimizerKind): OptimizerRule {
  return OPTIMIZER_RULES.find((rule) => rule.kind === kind) as OptimizerRule;
}

/**
 * An optimizer by name, with its defaults, or plain data, checked as if `optimizers` had made it: it may have been
 * written by hand, or read from a file.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown name or option, or a number out of range
 */
export function optimizerOf(optimizer: OptimizerKind | OptimizerSpec): OptimizerSpec {
  if (typeof optimizer !== 'object' || optimizer === null) {
    return specOf(ruleOf(requireOneOf(optimizer, 'optimizer', OPTIMIZER_KINDS)), {});
  }
  const { kind, ...settings } = optimizer;
  return optimizerWith({ kind: requireOneOf(kind, 'optimizer.kind', OPTIMIZER_KINDS) } as OptimizerSpec, settings);
}

/**
 * An optimizer with some of its settings replaced, by the names that plain data has for them.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for a setting that it has not, or a value out of range
 */
export function optimizerWith(optimizer: OptimizerSpec, settings: SettingValues): OptimizerSpec {
  const rule = ruleOf(optimizer.kind);
  checkOptions(settings, Object.keys(rule.settings), `The optimizer ${rule.kind}`);
  const { kind: _, ...own } = optimizer;
  return specOf(rule, { ...own, ...settings });
}

/** Weight decay that comes with an optimizer in the place of another; `undefined` where there is none. */
export function usualWeightDecay(kind: OptimizerKind): number | undefined {
  return ruleOf(kind).usualWeightDecay;
}
