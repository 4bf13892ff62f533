import { isAsyncIterable, isReadableStream } from '../kinds.js';

/** What gives values one after the other: a stream of Node or of the web, an async iterable, or an iterable. */
export type Pullable<T> = AsyncIterable<T> | Iterable<T> | ReadableStream<T>;

/** Values of a source one by one, and its end: a source that is given up is closed, also while it keeps us waiting. */
export class Pull<T> {
  readonly #source: Pullable<T>;
  #from: AsyncIterator<T> | Iterator<T> | ReadableStreamDefaultReader<T> | undefined;
  #pulling = false;
  #ended = false;
  #closing: Promise<void> | undefined;

  constructor(source: Pullable<T>) {
    this.#source = source;
  }

  /**
   * The next value. Not to be called again before it is there.
   *
   * @throws whatever the source throws, after which it has ended
   */
  async next(): Promise<IteratorResult<T, unknown>> {
    if (this.#ended) return { done: true, value: undefined };
    this.#pulling = true;
    try {
      this.#from ??= begin(this.#source);
      const result = 'read' in this.#from ? await this.#from.read() : await this.#from.next();
      if (result.done === true) this.#ended = true;
      return result as IteratorResult<T, unknown>;
    } catch (error) {
      this.#ended = true;
      throw error;
    } finally {
      this.#pulling = false;
    }
  }

  /**
   * Destroys a stream of Node, cancels one of the web, and lets an iterator return. A source that has ended is left
   * alone. Resolves when an iterator has returned, or at once where it is asked for a value that may never come.
   */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      const closed = this.#close();
      // What goes wrong behind an end that was ours concerns nobody.
      if (this.#pulling) Promise.resolve(closed).catch(() => undefined);
      else await closed;
    } catch {}
  }

  #close(): unknown {
    if (isDestroyable(this.#source)) return void this.#source.destroy();
    const from = this.#from ?? this.#source;
    if ('cancel' in from) return from.cancel();
    return 'return' in from ? from.return?.() : undefined;
  }
}

function begin<T>(source: Pullable<T>): AsyncIterator<T> | Iterator<T> | ReadableStreamDefaultReader<T> {
  if (isReadableStream(source)) return (source as ReadableStream<T>).getReader();
  return isAsyncIterable(source)
    ? (source[Symbol.asyncIterator]() as AsyncIterator<T>)
    : (source as Iterable<T>)[Symbol.iterator]();
}

function isDestroyable(source: object): source is { destroy(): unknown } {
  return 'destroy' in source && typeof source.destroy === 'function';
}
