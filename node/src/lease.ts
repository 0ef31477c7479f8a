import { CyclesContext } from './context.js';
import { errorFromReport } from './errors.js';
import type { CyclesError } from './errors.js';
import { native } from './native.js';
import type { NativeGuard, NativeStream } from './native.js';

/** Waits for a lease to be lost under `heartbeatPolicy: 'cancel'`, and aborts the context's signal then. */
export class LeaseWatch {
  readonly #abort = native.createAbort();
  #error: CyclesError | undefined;
  #tell: ((error: CyclesError) => void) | undefined;

  constructor(hold: NativeGuard | NativeStream, context: CyclesContext) {
    // Weakly: a stream that everybody forgets is given up, and nothing here keeps it.
    const watching = new WeakRef(this);
    const watched = new WeakRef(context);
    void Promise.resolve(hold.lost(this.#abort)).then((envelope) => {
      if ('error' in envelope) return;
      const error = errorFromReport(envelope.ok);
      const watch = watching.deref();
      if (watch) watch.#lose(error);
      const lost = watched.deref();
      if (lost) CyclesContext.cancel(lost, error);
    });
  }

  /** Why the lease is lost, once it is. */
  get error(): CyclesError | undefined {
    return this.#error;
  }

  /** What `work` comes to, or a rejection with {@link error} as soon as the lease is lost. One at a time. */
  unlessLost<V>(work: V | Promise<V>): Promise<V> {
    return new Promise((resolve, reject) => {
      // One listener, and no race: that would keep something for every piece of a stream.
      this.#tell = reject;
      if (this.#error) reject(this.#error);
      Promise.resolve(work).then(resolve, reject);
    });
  }

  stop(): void {
    this.#abort.abort();
  }

  #lose(error: CyclesError): void {
    this.#error = error;
    this.#tell?.(error);
  }
}
