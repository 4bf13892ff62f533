import type { NativeBinding } from '../../src/native/contract/addon.js';
import type { NativeChunk, NativeSession } from '../../src/native/contract/session.js';
import { native } from '../../src/native/load.js';

/** What native code was given to run, and how far it came. */
export interface Chunk {
  /** At most as many as there are rows of rates. */
  readonly steps: number;
  readonly images: readonly number[];
  readonly exhausted: boolean;
  /** A row a step, a column a group. */
  readonly rates: readonly (readonly number[])[];
}

/** A clock that stands still, and tells no time but what it is told. */
export interface Clock {
  /** Milliseconds. */
  now: number;
}

export interface Recording {
  readonly chunks: Chunk[];
  readonly clock: Clock;
}

export interface RecorderOptions {
  /** What a step is said to take, milliseconds. */
  readonly msPerStep?: number;
  /** Hears of the steps made so far, before the run does. */
  readonly onSteps?: (steps: number) => void;
}

/** What writing files is said to take, milliseconds. */
const MS_OF_SAVING = 1000;

/**
 * Writes down the chunks of the sessions that are made in `work`, in which no time passes but what steps and writing are
 * said to take. So the sizes of chunks, rates of images and the pace of checkpoints are those of the code, not of the machine.
 */
export async function recorded<T>(options: RecorderOptions, work: (recording: Recording) => Promise<T>): Promise<T> {
  const binding = native() as { -readonly [Key in keyof NativeBinding]: NativeBinding[Key] };
  const { Session } = binding;
  const recording: Recording = { chunks: [], clock: { now: 0 } };
  binding.Session = new Proxy(Session, {
    construct(target, args: ConstructorParameters<typeof Session>) {
      const session = Reflect.construct(target, args) as NativeSession;
      return listen(session, args[1].groups.length, recording, options);
    },
  });
  performance.now = () => recording.clock.now;
  try {
    return await work(recording);
  } finally {
    binding.Session = Session;
    // What lies on the prototype is seen again.
    Reflect.deleteProperty(performance, 'now');
  }
}

function listen(
  session: NativeSession,
  groups: number,
  { chunks, clock }: Recording,
  { msPerStep = 100, onSteps }: RecorderOptions,
): NativeSession {
  const run = session.run.bind(session);
  const told: NativeSession['run'] = async (o, token): Promise<NativeChunk> => {
    const chunk = await run(o, token);
    const rates = Array.from({ length: o.rates.length / groups }, (_, row) => [
      ...o.rates.subarray(row * groups, (row + 1) * groups),
    ]);
    chunks.push({ steps: chunk.steps, images: [...chunk.images], exhausted: chunk.exhausted, rates });
    onSteps?.(chunks.reduce((sum, { steps }) => sum + steps, 0));
    return { ...chunk, waitMs: 0, stepMs: chunk.steps * msPerStep };
  };
  const save = session.save.bind(session);
  const timed: NativeSession['save'] = async (files) => {
    await save(files);
    clock.now += MS_OF_SAVING;
  };
  return Object.defineProperties(session, { run: { value: told }, save: { value: timed } });
}
