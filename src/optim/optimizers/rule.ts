import type { NumberRange } from '../../options.js';

/** A setting of an optimizer: a number in a range, or a switch. */
export type OptimizerSetting<T = number | boolean> = T extends number
  ? { readonly default: number; readonly range: NumberRange }
  : { readonly default: boolean };

/** Settings as plain data: `betas` is said as `beta1` and `beta2`. */
export type SettingsOf<Options> = Required<Omit<Options, 'betas'>> &
  ('betas' extends keyof Options ? { readonly beta1: number; readonly beta2: number } : unknown);

/** Settings of any rule by name. */
export type SettingValues = Readonly<Record<string, number | boolean>>;

/** All that TypeScript knows of an optimizer; its arithmetic is native, in the file of the same name. */
export interface OptimizerRule<Kind extends string = string, Options extends object = object> {
  /** Its name for options, the command line and native code. */
  readonly kind: Kind;
  /** Whose arithmetic and whose names of state it has. */
  readonly reference: string;
  /** What it has of its own, in the order of the documentation. Rates and weight decay belong to the groups. */
  readonly settings: {
    readonly [Name in keyof SettingsOf<Options>]-?: OptimizerSetting<SettingsOf<Options>[Name]>;
  };
  /** What weight decay does: it is added to the gradient, or shrinks the weight by the rate. */
  readonly decay: 'coupled' | 'decoupled';
  /** Weight decay that comes with it in the place of another optimizer, unless a run says otherwise. */
  readonly usualWeightDecay?: number;
  /** Tensors of a parameter's size that it keeps. */
  tensorsOfState(settings: SettingsOf<Options>): number;
  /** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for settings that contradict each other */
  check?(settings: SettingsOf<Options>): void;
}

/** A decay of a running mean. */
export const beta = (value: number) => ({ default: value, range: { min: 0, exclusiveMax: 1 } });

/** What is added to a denominator. */
export const epsilon = (value: number) => ({ default: value, range: { exclusiveMin: 0 } });
