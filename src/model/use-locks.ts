import { ResnetTorchError } from '../errors.js';

/** Who uses a model: one that changes it, and any number that need its weights to stay. */
export class UseLocks {
  readonly #free: () => void;
  #user: string | null = null;
  #uses = 0;
  #disposed = false;

  /** @param free called, perhaps more than once, when it was disposed of and nobody uses the weights */
  constructor(free: () => void) {
    this.#free = free;
  }

  /**
   * Frees the weights once nobody uses them. Idempotent.
   *
   * @throws ERR_BUSY while somebody changes them
   */
  dispose(): void {
    if (this.#user !== null) {
      throw new ResnetTorchError(
        'ERR_BUSY',
        `The model is in use by ${this.#user}. ${ending(this.#user)} before disposing of the model.`,
      );
    }
    this.#disposed = true;
    this.#freeUnused();
  }

  /**
   * For one user alone; the answer ends that.
   *
   * @throws ERR_BUSY when there is one, ERR_DISPOSED
   */
  acquire(user: string): () => void {
    this.refuseDisposed();
    if (this.#user !== null) {
      throw new ResnetTorchError('ERR_BUSY', `The model is in use by ${this.#user}. ${ending(this.#user)} first.`);
    }
    this.#user = user;
    return () => {
      this.#user = null;
    };
  }

  /**
   * Keeps the weights, whatever is disposed of meanwhile; the answer ends that.
   *
   * @throws ERR_DISPOSED
   */
  use(): () => void {
    this.refuseDisposed();
    this.#uses++;
    return () => {
      this.#uses--;
      if (this.#disposed) this.#freeUnused();
    };
  }

  /** @throws ERR_DISPOSED */
  refuseDisposed(): void {
    if (this.#disposed) throw new ResnetTorchError('ERR_DISPOSED', 'The model was disposed of.');
  }

  #freeUnused(): void {
    if (this.#uses === 0) this.#free();
  }
}

function ending(user: string): string {
  return user === 'a training session' ? 'Dispose of the session' : 'Wait for its result, or abort it,';
}
