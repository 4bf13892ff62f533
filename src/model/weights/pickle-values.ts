/** What a pickle may hold here. Python's int and float are both `number`; an int beyond 2⁵³ is a `bigint`. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleTuple
  | PickleList
  | PickleDict
  | PickleSet
  | PickleFunction
  | PickleOpaque;

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

export class PickleList {
  readonly items: PickleValue[] = [];
}

/** A dict or OrderedDict. Tuples as keys are told apart by identity, which is enough where nothing looks them up. */
export class PickleDict {
  readonly entries = new Map<PickleValue, PickleValue>();
}

export class PickleSet {
  readonly items = new Set<PickleValue>();
}

/** One of the few callables that the caller of the machine allows. */
export class PickleFunction {
  constructor(
    readonly name: string,
    readonly call: (parameters: readonly PickleValue[]) => PickleValue,
  ) {}
}

/** A value that only the caller of the machine knows, such as a tensor. */
export abstract class PickleOpaque {
  abstract readonly kind: string;
}

/**
 * An object of a constructor that is not known here: an `argparse.Namespace`, a NumPy scalar, a class of the trainer's.
 * It stands for its place alone. Nothing was imported or called for it, and what it was made of is dropped.
 */
export class PickleUnread extends PickleOpaque {
  readonly kind = 'unread';
  /** @param constructorName such as `argparse.Namespace` */
  constructor(readonly constructorName: string) {
    super();
  }
}

/** What is wrong with a pickle, as the end of a sentence about the file. */
export class PickleFault extends Error {}
