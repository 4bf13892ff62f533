import { ResnetTorchError } from '../errors.js';
import { nearest } from '../options.js';
import type { LoadPredictor, ServedPredictor } from './predictor.js';
import { clip, Problem, RETRY_AFTER } from './problem.js';

/** A predictor that requests use, and that goes when the last of them is done and another has taken its place. */
class Generation {
  readonly predictor: ServedPredictor;
  readonly loadedAt = new Date();
  #users = 0;
  #deserted: (() => void) | undefined;

  constructor(predictor: ServedPredictor) {
    this.predictor = predictor;
  }

  async use<T>(work: (predictor: ServedPredictor) => Promise<T>): Promise<T> {
    this.#users++;
    try {
      return await work(this.predictor);
    } finally {
      this.#users--;
      if (this.#users === 0) this.#deserted?.();
    }
  }

  /** Resolves when nobody uses it any more. */
  async left(): Promise<void> {
    if (this.#users === 0) return;
    await new Promise<void>((resolve) => {
      this.#deserted = resolve;
    });
  }
}

interface Slot {
  readonly path: string;
  current: Generation | undefined;
  /** Batches and images of the generations that were disposed of. */
  batches: number;
  images: number;
  readonly leaving: Set<Generation>;
}

export interface ModelCounts {
  readonly waiting: number;
  readonly batches: number;
  readonly images: number;
}

/** What became of a reload, by the names of the models. */
export interface ReloadResult {
  readonly reloaded: readonly string[];
  /** Models that could not be loaded again; what they were stays. */
  readonly failed: readonly { readonly model: string; readonly error: unknown }[];
}

/** The models of a server by name. */
export class ModelRegistry {
  readonly defaultName: string;
  readonly #slots: ReadonlyMap<string, Slot>;
  readonly #load: LoadPredictor;
  readonly #stop = new AbortController();
  #loading: Promise<unknown> = Promise.resolve();

  constructor(models: ReadonlyMap<string, string>, load: LoadPredictor) {
    this.#slots = new Map(
      [...models].map(([name, path]) => [
        name,
        { path, current: undefined, batches: 0, images: 0, leaving: new Set<Generation>() },
      ]),
    );
    this.defaultName = [...models.keys()][0] ?? '';
    this.#load = load;
  }

  get names(): readonly string[] {
    return [...this.#slots.keys()];
  }

  get isReady(): boolean {
    return [...this.#slots.values()].every(({ current }) => current !== undefined);
  }

  /** Loads all models, one after another. @throws what the first that cannot be loaded fails with */
  loadAll(): Promise<void> {
    return this.#inTurn(async () => {
      for (const slot of this.#slots.values()) await this.#replace(slot);
    });
  }

  /**
   * Loads every model again from where it lies. Each takes the place of the old one when it is ready; the old one goes
   * when its requests are done. A second call waits for the first.
   */
  reload(): Promise<ReloadResult> {
    return this.#inTurn(() => this.#reloadAll());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#loading.then(work);
    this.#loading = result.catch(() => undefined);
    return result;
  }

  async #reloadAll(): Promise<ReloadResult> {
    const reloaded: string[] = [];
    const failed: { model: string; error: unknown }[] = [];
    for (const [model, slot] of this.#slots) {
      try {
        await this.#replace(slot);
        reloaded.push(model);
      } catch (error) {
        failed.push({ model, error });
      }
    }
    return { reloaded, failed };
  }

  async #replace(slot: Slot): Promise<void> {
    this.#stop.signal.throwIfAborted();
    const predictor = await this.#load(slot.path, this.#stop.signal);
    try {
      await warmUp(predictor, this.#stop.signal);
      this.#stop.signal.throwIfAborted();
    } catch (error) {
      predictor.dispose();
      throw error;
    }
    const old = slot.current;
    slot.current = new Generation(predictor);
    if (old !== undefined) void this.#retire(slot, old);
  }

  async #retire(slot: Slot, generation: Generation): Promise<void> {
    slot.leaving.add(generation);
    await generation.left();
    const { batches, images } = generation.predictor.queue;
    slot.batches += batches;
    slot.images += images;
    slot.leaving.delete(generation);
    generation.predictor.dispose();
  }

  /**
   * The model of a name, or the default one.
   *
   * @throws Problem `unknown-model`, or `not-ready` before it is loaded
   */
  find(name: string | undefined): { readonly name: string; readonly generation: Generation } {
    const wanted = name ?? this.defaultName;
    const slot = this.#slots.get(wanted);
    if (slot === undefined) throw new Problem('unknown-model', unknownModel(wanted, this.names));
    if (slot.current === undefined) {
      throw new Problem('not-ready', `The model ${wanted} is being loaded.`, { headers: RETRY_AFTER });
    }
    return { name: wanted, generation: slot.current };
  }

  /** What the batching of a model has done since the start, reloads included. */
  counts(name: string): ModelCounts {
    const slot = this.#slots.get(name);
    let { batches = 0, images = 0 } = slot ?? {};
    let waiting = 0;
    for (const { predictor } of [slot?.current, ...(slot?.leaving ?? [])].flatMap((generation) => generation ?? [])) {
      waiting += predictor.queue.waiting;
      batches += predictor.queue.batches;
      images += predictor.queue.images;
    }
    return { waiting, batches, images };
  }

  stopLoading(): void {
    this.#stop.abort(new ResnetTorchError('ERR_DISPOSED', 'The server was closed while a model was being loaded.'));
  }

  /** Disposes of every model once its requests are done. */
  async dispose(): Promise<void> {
    this.stopLoading();
    await this.#loading;
    await Promise.all(
      [...this.#slots.values()].map(async (slot) => {
        const last = slot.current;
        slot.current = undefined;
        if (last !== undefined) await this.#retire(slot, last);
      }),
    );
  }
}

export type { Generation };

/** The first prediction makes kernels and buffers; and a model that cannot predict must not take the place of one that can. */
async function warmUp(predictor: ServedPredictor, signal: AbortSignal): Promise<void> {
  const side = predictor.input.imageSize;
  const grey = { data: new Uint8Array(side * side * 3).fill(128), width: side, height: side, channels: 3 } as const;
  const { predictions } = await predictor.predict(grey, { topK: 1, signal });
  if (!predictions.every(({ probability }) => Number.isFinite(probability))) {
    throw new ResnetTorchError(
      'ERR_NON_FINITE',
      'The model computes values that are not finite: its weights are broken.',
    );
  }
}

function unknownModel(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  const hint = near === undefined ? `There are ${known.join(', ')}.` : `Did you mean ${near}?`;
  return `There is no model ${JSON.stringify(clip(name, 100))}. ${hint}`;
}
