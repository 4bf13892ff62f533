/**
 * A machine for Python's pickle protocols 2 to 5 that builds plain values and executes nothing: a global is looked up by
 * name in a table of the caller's and never imported; for what the table lacks the caller refuses, or takes an object
 * that is kept unread.
 *
 * Source: CPython's Lib/pickletools.py, which documents every opcode.
 */

import { setImmediate as turn } from 'node:timers/promises';
import { PickleCursor } from './pickle-cursor.js';
import {
  PickleDict,
  PickleFault,
  PickleFunction,
  PickleList,
  PickleSet,
  PickleTuple,
  PickleUnread,
  type PickleValue,
} from './pickle-values.js';

export interface PickleEnvironment {
  /** The value of a global such as `collections.OrderedDict`, or a `PickleUnread`; throws a `PickleFault` to refuse it. */
  global(name: string): PickleValue;
  /** The object behind a persistent id. */
  persistent(id: PickleValue): PickleValue;
}

/** A checkpoint with optimizer state makes some thousands. */
const MAX_CONTAINERS = 1_000_000;
/** Longest run between two turns of the event loop. */
const SLICE_MS = 4;
const SLICE_OPCODES = 1024;

/** @throws PickleFault when the pickle is damaged, too large, or asks for more than plain values and allowed globals. */
export async function unpickle(bytes: Buffer, environment: PickleEnvironment): Promise<PickleValue> {
  return (await unpickleFrom(bytes, 0, environment)).value;
}

/**
 * The same for a pickle that begins at `start`; `end` is behind its STOP.
 *
 * @throws PickleFault
 */
export async function unpickleFrom(
  bytes: Buffer,
  start: number,
  environment: PickleEnvironment,
): Promise<{ readonly value: PickleValue; readonly end: number }> {
  const machine = new Machine(bytes.subarray(start), environment);
  let began = performance.now();
  while (machine.run(SLICE_OPCODES)) {
    if (performance.now() - began < SLICE_MS) continue;
    await turn();
    began = performance.now();
  }
  return { value: machine.result(), end: start + machine.cursor.position };
}

type Handler = (machine: Machine) => void;

class Machine {
  readonly cursor: PickleCursor;
  readonly environment: PickleEnvironment;
  readonly #memo = new Map<number, PickleValue>();
  #stack: PickleValue[] = [];
  /** Stacks set aside by MARK, innermost last. */
  readonly #marked: PickleValue[][] = [];
  #containers = 0;
  #stopped = false;

  constructor(bytes: Buffer, environment: PickleEnvironment) {
    this.cursor = new PickleCursor(bytes);
    this.environment = environment;
  }

  /** Runs at most `opcodes` of them; `false` when STOP was met. */
  run(opcodes: number): boolean {
    for (let count = 0; count < opcodes && !this.#stopped; count += 1) {
      const at = this.cursor.position;
      const opcode = this.cursor.uint8();
      const handler = OPCODES[opcode];
      if (handler === undefined) {
        throw new PickleFault(
          `holds the opcode 0x${opcode.toString(16)} at byte ${at}, which a state dict does not need`,
        );
      }
      handler(this);
    }
    return !this.#stopped;
  }

  result(): PickleValue {
    return this.pop();
  }

  stop(): void {
    this.#stopped = true;
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined) throw new PickleFault('is damaged: it takes a value from an empty stack');
    return value;
  }

  top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined) throw new PickleFault('is damaged: it looks at an empty stack');
    return value;
  }

  mark(): void {
    this.container();
    this.#marked.push(this.#stack);
    this.#stack = [];
  }

  /** Everything since the last MARK. */
  popMark(): PickleValue[] {
    const items = this.#stack;
    const outer = this.#marked.pop();
    if (outer === undefined) throw new PickleFault('is damaged: it ends a group that it did not begin');
    this.#stack = outer;
    return items;
  }

  /** POP takes the mark itself when nothing lies above it. */
  discard(): void {
    if (this.#stack.length === 0) this.popMark();
    else this.pop();
  }

  container(): void {
    this.#containers += 1;
    if (this.#containers > MAX_CONTAINERS)
      throw new PickleFault(`holds more than ${MAX_CONTAINERS} lists, dicts and tuples`);
  }

  tuple(items: readonly PickleValue[]): void {
    this.container();
    this.push(new PickleTuple(items));
  }

  fresh(value: PickleList | PickleDict | PickleSet): void {
    this.container();
    this.push(value);
  }

  store(index: number): void {
    this.#memo.set(index, this.top());
  }

  memoize(): void {
    this.store(this.#memo.size);
  }

  fetch(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined)
      throw new PickleFault(`is damaged: it refers to the value ${index}, which it did not keep`);
    this.push(value);
  }

  append(items: readonly PickleValue[]): void {
    const list = this.top();
    if (list instanceof PickleUnread) return;
    if (!(list instanceof PickleList)) throw new PickleFault('is damaged: it appends to a value that is not a list');
    for (const item of items) list.items.push(item);
  }

  add(items: readonly PickleValue[]): void {
    const set = this.top();
    if (set instanceof PickleUnread) return;
    if (!(set instanceof PickleSet)) throw new PickleFault('is damaged: it adds to a value that is not a set');
    for (const item of items) set.items.add(item);
  }

  setItems(items: readonly PickleValue[]): void {
    const dict = this.top();
    if (dict instanceof PickleUnread) return;
    if (!(dict instanceof PickleDict)) throw new PickleFault('sets items of a value that is not a dict');
    if (items.length % 2 !== 0) throw new PickleFault('is damaged: it sets a key without a value');
    for (let at = 0; at < items.length; at += 2) {
      dict.entries.set(items[at] as PickleValue, items[at + 1] as PickleValue);
    }
  }

  reduce(): void {
    const parameters = this.pop();
    const callee = this.pop();
    if (callee instanceof PickleUnread) {
      this.instance(callee);
      return;
    }
    if (!(callee instanceof PickleFunction)) throw new PickleFault('calls a value that is not a function');
    if (!(parameters instanceof PickleTuple))
      throw new PickleFault(`is damaged: it calls ${callee.name} without a tuple`);
    this.container();
    this.push(callee.call(parameters.items));
  }

  /** NEWOBJ_EX and the opcodes of protocol 1 make objects of classes, of which none is known here. */
  instance(constructed: PickleValue): void {
    if (!(constructed instanceof PickleUnread)) throw new PickleFault('makes an object of a value that is not a class');
    this.container();
    this.push(constructed);
  }

  /** BUILD gives attributes to an object. A state dict has one, `_metadata`, with version numbers, which nothing here reads. */
  build(): void {
    this.pop();
    const object = this.top();
    if (!(object instanceof PickleDict || object instanceof PickleUnread))
      throw new PickleFault('sets attributes of a value that is not an OrderedDict');
  }
}

const OPCODES: readonly (Handler | undefined)[] = table({
  '\x80': (m) => checkProtocol(m.cursor.uint8()),
  '\x95': (m) => void m.cursor.uint64(), // FRAME: only a hint for readers of streams
  '.': (m) => m.stop(),
  '(': (m) => m.mark(),
  '0': (m) => m.discard(),
  '1': (m) => void m.popMark(),
  '2': (m) => m.push(m.top()),
  N: (m) => m.push(null),
  '\x88': (m) => m.push(true),
  '\x89': (m) => m.push(false),
  J: (m) => m.push(m.cursor.int32()),
  K: (m) => m.push(m.cursor.uint8()),
  M: (m) => m.push(m.cursor.uint16()),
  '\x8a': (m) => m.push(m.cursor.integer(m.cursor.uint8())),
  '\x8b': (m) => m.push(m.cursor.integer(m.cursor.int32())),
  G: (m) => m.push(m.cursor.float64()),
  X: (m) => m.push(m.cursor.text(m.cursor.uint32())),
  '\x8c': (m) => m.push(m.cursor.text(m.cursor.uint8())),
  '\x8d': (m) => m.push(m.cursor.text(m.cursor.uint64())),
  T: (m) => m.push(m.cursor.text(m.cursor.int32())),
  U: (m) => m.push(m.cursor.text(m.cursor.uint8())),
  B: (m) => m.push(m.cursor.bytes(m.cursor.uint32())),
  C: (m) => m.push(m.cursor.bytes(m.cursor.uint8())),
  '\x8e': (m) => m.push(m.cursor.bytes(m.cursor.uint64())),
  '\x96': (m) => m.push(m.cursor.bytes(m.cursor.uint64())),
  ']': (m) => m.fresh(new PickleList()),
  '}': (m) => m.fresh(new PickleDict()),
  '\x8f': (m) => m.fresh(new PickleSet()),
  ')': (m) => m.tuple([]),
  '\x85': (m) => m.tuple([m.pop()]),
  '\x86': (m) => m.tuple([m.pop(), m.pop()].reverse()),
  '\x87': (m) => m.tuple([m.pop(), m.pop(), m.pop()].reverse()),
  t: (m) => m.tuple(m.popMark()),
  a: (m) => m.append([m.pop()]),
  e: (m) => m.append(m.popMark()),
  '\x90': (m) => m.add(m.popMark()),
  '\x91': (m) => {
    const items = m.popMark();
    m.fresh(new PickleSet());
    m.add(items);
  },
  s: (m) => m.setItems([m.pop(), m.pop()].reverse()),
  u: (m) => m.setItems(m.popMark()),
  h: (m) => m.fetch(m.cursor.uint8()),
  j: (m) => m.fetch(m.cursor.uint32()),
  q: (m) => m.store(m.cursor.uint8()),
  r: (m) => m.store(m.cursor.uint32()),
  '\x94': (m) => m.memoize(),
  c: (m) => {
    const module = m.cursor.line();
    m.push(m.environment.global(`${module}.${m.cursor.line()}`));
  },
  '\x93': (m) => {
    const name = m.pop();
    const module = m.pop();
    if (typeof name !== 'string' || typeof module !== 'string')
      throw new PickleFault('is damaged: it names a global by no string');
    m.push(m.environment.global(`${module}.${name}`));
  },
  R: (m) => m.reduce(),
  '\x81': (m) => m.reduce(),
  b: (m) => m.build(),
  Q: (m) => m.push(m.environment.persistent(m.pop())),
  i: (m) => {
    const module = m.cursor.line();
    const made = m.environment.global(`${module}.${m.cursor.line()}`);
    m.popMark();
    m.instance(made);
  },
  o: (m) => {
    const [made] = m.popMark();
    m.instance(made ?? null);
  },
  '\x92': (m) => {
    m.pop();
    m.pop();
    m.instance(m.pop());
  },
});

function table(handlers: Readonly<Record<string, Handler>>): readonly (Handler | undefined)[] {
  const result = new Array<Handler | undefined>(256).fill(undefined);
  for (const [opcode, handler] of Object.entries(handlers)) result[opcode.charCodeAt(0)] = handler;
  return result;
}

function checkProtocol(protocol: number): void {
  if (protocol < 2 || protocol > 5) throw new PickleFault(`is of protocol ${protocol}; protocols 2 to 5 are read`);
}
