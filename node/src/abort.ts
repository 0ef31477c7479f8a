import { CyclesValidationError } from './errors.js';
import { native } from './native.js';
import type { NativeAbort } from './native.js';

/** An `AbortSignal`, said so that programs without its types compile too. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** The program's own type of an `AbortSignal`, where it has one. */
export type NativeSignal = typeof globalThis extends { AbortSignal: { prototype: infer T } } ? T : Signal;

export interface CallOptions {
  /**
   * Ends the call: its promise rejects with the signal's reason. Whether the authority has applied it is not
   * known then; the same idempotency key finds out.
   */
  signal?: Signal | undefined;
}

/** Throws the signal's reason if it is aborted already. */
export function refuseAborted(signal: Signal | undefined): void {
  if (signal === undefined) return;
  if (typeof signal?.throwIfAborted !== 'function') {
    throw new CyclesValidationError('`signal` must be an AbortSignal, such as `new AbortController().signal`');
  }
  signal.throwIfAborted();
}

/** What `start` answers, or a rejection with the signal's reason as soon as it is aborted. */
export async function abortable<T>(signal: Signal | undefined, start: (abort?: NativeAbort) => T | Promise<T>): Promise<T> {
  if (signal === undefined) return start();
  refuseAborted(signal);
  const abort = native.createAbort();
  return unlessAborted(signal, start(abort), () => abort.abort());
}

/** The same for something under way; `onAbort` is told. */
export async function unlessAborted<T>(
  signal: Signal | undefined,
  under: T | Promise<T>,
  onAbort: () => void,
): Promise<T> {
  if (signal === undefined) return under;
  let listener = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    listener = () => {
      onAbort();
      reject(signal.reason);
    };
    if (signal.aborted) listener();
    else signal.addEventListener('abort', listener, { once: true });
  });
  try {
    return await Promise.race([under, aborted]);
  } finally {
    signal.removeEventListener('abort', listener);
  }
}
