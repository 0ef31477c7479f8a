import { Readable } from 'node:stream';

import type { CyclesContext } from './context.js';
import { runInContext } from './context.js';
import { CyclesValidationError } from './errors.js';
import type { LeaseWatch } from './lease.js';
import type { StreamUsage } from './usage.js';

/** What a watched stream draws from. */
export interface Hold {
  readonly context: CyclesContext;
  /** Whether more may flow. */
  proceed(): Promise<boolean>;
  /** Where a lost lease ends what is under way. */
  readonly lease?: LeaseWatch | undefined;
  /** Commits what was used. */
  end(): Promise<void>;
  /** Commits what was used where something was, and gives everything back otherwise. */
  release(reason?: string): Promise<void>;
}

/** Anything that can be iterated, web streams and Node streams among them. */
export type Watchable = AsyncIterable<unknown> | Iterable<unknown> | { getReader(): unknown };

export type ItemOf<S> = S extends AsyncIterable<infer T> ? T : S extends Iterable<infer T> ? T : unknown;

/** Web streams and Node streams stay what they are; other iterables become an asynchronous one. */
export type Watched<S> = S extends { getReader(): unknown } | { pipe(...to: never[]): unknown } ? S : AsyncIterableIterator<ItemOf<S>>;

type Source<T, R> = AsyncIterator<T, R> | Iterator<T, R>;

/**
 * Items under a hold: reserved before the first, settled once however they end. Iterate it once.
 */
export class GuardedItems<T, R = unknown> implements AsyncIterableIterator<T> {
  readonly #reserve: () => Hold | Promise<Hold>;
  readonly #open: () => Source<T, R>;
  readonly #onItem: ((item: T, usage: StreamUsage) => unknown) | undefined;
  #hold: Hold | undefined;
  #source: Source<T, R> | undefined;
  #flowed = false;
  #done = false;
  #givenUp = false;
  /** Calls wait for those before them, as those of a generator do. */
  #last: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(reserve: () => Hold | Promise<Hold>, open: () => Source<T, R>, onItem?: (item: T, usage: StreamUsage) => unknown) {
    this.#reserve = reserve;
    this.#open = open;
    this.#onItem = onItem;
  }

  next(...value: [] | [unknown]): Promise<IteratorResult<T, R>> {
    return this.#after(() => this.#step((source) => source.next(...(value as []))));
  }

  /** Ends the items: the source is told, and what was used is committed. */
  return(value?: R | PromiseLike<R>): Promise<IteratorResult<T, R>> {
    return this.#after(async () => {
      const result = { done: true as const, value: (await value) as R };
      if (this.#done) return result;
      this.#done = true;
      try {
        if (this.#hold && this.#source) await this.#inside(this.#hold, (source) => source.return?.(result.value));
      } finally {
        await this.#settle('given up');
      }
      return result;
    });
  }

  /** @internal The source is being ended from outside: a step under way that it ends is not its own end. */
  giveUp(): void {
    this.#givenUp = true;
  }

  /** Throws `error` into the source. */
  throw(error?: unknown): Promise<IteratorResult<T, R>> {
    return this.#after(async () => {
      if (this.#done) throw error;
      return this.#step((source) => {
        if (source.throw) return source.throw(error);
        throw error;
      });
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #after<V>(step: () => Promise<V>): Promise<V> {
    const result = this.#last.then(step);
    this.#last = result.catch(() => {});
    return result;
  }

  async #step(advance: (source: Source<T, R>) => IteratorResult<T, R> | Promise<IteratorResult<T, R>>): Promise<IteratorResult<T, R>> {
    if (this.#done) return { done: true, value: undefined as R };
    let hold: Hold;
    let result: IteratorResult<T, R>;
    try {
      hold = this.#hold ??= await this.#reserve();
      if (!(await hold.proceed())) return await this.#cut(hold);
      const step = this.#inside(hold, advance);
      result = await (hold.lease ? hold.lease.unlessLost(step) : step);
      if (!result.done) {
        this.#flowed = true;
        this.#onItem?.(result.value, hold.context.usage);
      }
    } catch (error) {
      this.#done = true;
      if (isLoss(this.#hold, error)) return this.#cut(this.#hold as Hold);
      await this.#settle(String(error));
      throw error;
    }
    if (result.done) {
      this.#done = true;
      await (this.#givenUp ? this.#settle('given up') : hold.end());
    }
    return result;
  }

  async #cut(hold: Hold): Promise<IteratorResult<T, R>> {
    this.#done = true;
    if (this.#source) {
      const ended = this.#inside(hold, async (source) => source.return?.(undefined as R));
      // A source that still waits ends when it wants to.
      if (hold.lease?.error) ended.catch(() => {});
      else await ended;
    }
    await hold.end();
    return { done: true, value: undefined as R };
  }

  #inside<V>(hold: Hold, body: (source: Source<T, R>) => V): V {
    return runInContext(hold.context, () => body((this.#source ??= this.#open())));
  }

  /** What has flowed was dispatched, so it is paid for; where nothing has, only what is counted is. */
  async #settle(reason: string): Promise<void> {
    await (this.#flowed ? this.#hold?.end() : this.#hold?.release(reason));
  }
}

function isLoss(hold: Hold | undefined, error: unknown): boolean {
  return hold?.lease?.error !== undefined && hold.lease.error === error;
}

/** Whether a result is a stream, which is settled at its end. */
export function isStreamLike(value: unknown): value is Watchable {
  return value instanceof ReadableStream || value instanceof Readable || Object.prototype.toString.call(value) === '[object AsyncGenerator]';
}

/** `source` under `hold`, the same kind of stream. */
export function watched(hold: Hold, source: Watchable, onItem?: (item: unknown, usage: StreamUsage) => unknown): unknown {
  if (source instanceof ReadableStream) return watchedWebStream(hold, source, onItem);
  const items = new GuardedItems(() => hold, () => iteratorOf(source), onItem);
  if (!(source instanceof Readable)) return items;
  const { readableObjectMode: objectMode, readableHighWaterMark: highWaterMark } = source;
  return new WatchedReadable(items, source, { objectMode, highWaterMark });
}

function iteratorOf(source: unknown): Source<unknown, unknown> {
  const iterable = source as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null;
  const items = iterable?.[Symbol.asyncIterator]?.() ?? iterable?.[Symbol.iterator]?.();
  if (items) return items;
  throw new CyclesValidationError(`only something that can be iterated can be watched type=${typeof source}`);
}

function watchedWebStream(hold: Hold, source: ReadableStream, onItem?: (item: unknown, usage: StreamUsage) => unknown): ReadableStream {
  const reader = source.getReader();
  const read = {
    next: async () => (await reader.read()) as IteratorResult<unknown, unknown>,
    return: async (reason?: unknown) => {
      await reader.cancel(reason);
      return { done: true as const, value: undefined };
    },
  };
  const items = new GuardedItems<unknown>(() => hold, () => read, onItem);
  return new ReadableStream(
    {
      pull: async (controller) => {
        const { done, value } = await items.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: async (reason) => {
        items.giveUp();
        await reader.cancel(reason);
        await items.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** A Node stream of the items. Destroying it settles them and destroys the source. */
class WatchedReadable extends Readable {
  readonly #items: GuardedItems<unknown>;
  readonly #from: Readable;

  constructor(items: GuardedItems<unknown>, from: Readable, options: { objectMode: boolean; highWaterMark: number }) {
    super(options);
    this.#items = items;
    this.#from = from;
  }

  override _read(): void {
    this.#items.next().then(
      ({ done, value }) => this.push(done ? null : value),
      (error: Error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#items.giveUp();
    this.#from.destroy();
    this.#items.return().then(
      () => callback(error),
      (failed: Error) => callback(error ?? failed),
    );
  }
}
