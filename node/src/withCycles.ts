import { types } from 'node:util';

import { refuseAborted, unlessAborted } from './abort.js';
import type { Signal } from './abort.js';
import type { CyclesClient } from './client.js';
import { nativeOf } from './client.js';
import { CyclesContext, getCyclesContext, runInContext } from './context.js';
import { clientOf } from './defaults.js';
import type { Encoded, WireDocument } from './document.js';
import { decode, encodeCopy } from './document.js';
import { CyclesValidationError } from './errors.js';
import { LeaseWatch } from './lease.js';
import { dryRunResultFromWire } from './mappers.js';
import type { DryRunResult, Integer } from './models.js';
import { encodeReport } from './names.js';
import { isPending, settlementOf, unwrap } from './native.js';
import type { Answer, NativeGuard } from './native.js';
import { amount, refuseUnusable, requests, signalOf } from './options.js';
import type { ReserveOptions, WatchOptions } from './options.js';
import { GuardedItems, isStreamLike, watched } from './items.js';
import { CallHold, StreamReservation, openStream } from './streams.js';
import { isAmount } from './usage.js';

export interface WithCyclesOptions<A extends unknown[] = unknown[], R = unknown> extends ReserveOptions<A>, WatchOptions {
  /** What it did cost, committed after it ran. Absent: the estimate is committed. */
  actual?: Integer | ((result: R) => Integer | Promise<Integer>) | undefined;
  /** `false`: a guarded call without `actual` is refused before anything is reserved. Default true. */
  useEstimateIfActualNotProvided?: boolean | undefined;
  /**
   * Ask for the decision only: the function does not run and a {@link DryRunResult} is returned. Where it is not
   * written as `true`, the type of the answer does not say so.
   */
  dryRun?: boolean | undefined;
}

/** What a guarded function answers: of a generator, a stream of its items. */
export type Guarded<R> = R extends AsyncGenerator<infer T, infer TReturn> | Generator<infer T, infer TReturn>
  ? GuardedItems<T, TReturn>
  : Promise<Awaited<R>>;

/**
 * Wraps `fn` so that every call first reserves its estimate, then runs, then commits its actual.
 *
 * A denial throws the typed error and `fn` never runs. An error that `fn` throws releases the reservation and is
 * thrown on, the same object. While `fn` runs its reservation is kept alive. The result of `fn` is returned whatever
 * the settlement's outcome (see {@link CyclesContext.settlement}). Options that are functions are asked at every
 * call; change no others afterwards.
 *
 * A generator function, async or not, becomes one that reserves before its first item and settles at its end,
 * however it ends; `getCyclesContext().usage` counts what it uses. A `ReadableStream`, a Node stream or an
 * async generator that `fn` returns is settled at its end too.
 */
export function withCycles<A extends unknown[], R>(
  options: WithCyclesOptions<A, Awaited<R>> & { dryRun: true },
  fn: (...args: A) => R,
): (...args: A) => Promise<DryRunResult>;
export function withCycles<A extends unknown[], R>(
  options: WithCyclesOptions<A, Awaited<R>>,
  fn: (...args: A) => R,
): (...args: A) => Guarded<R>;
export function withCycles<A extends unknown[], R>(options: WithCyclesOptions<A, Awaited<R>>, fn: (...args: A) => R): unknown {
  refuseUnusable(options as WithCyclesOptions<never[]>, 'a guarded call');
  if (typeof fn !== 'function') throw new CyclesValidationError(notAFunction(fn));
  if (options.actual === undefined && options.useEstimateIfActualNotProvided === false) {
    throw new CyclesValidationError('a guarded call needs `actual` when useEstimateIfActualNotProvided is false');
  }
  const isGenerator = /^(Async)?GeneratorFunction$/.test(fn.constructor.name);
  if (!isGenerator) return guardedFunction(options, fn);
  if (options.dryRun) throw new CyclesValidationError('a dry run has no items; ask with a plain function, or with client.decide');
  if (options.actual !== undefined) {
    throw new CyclesValidationError('a generator has no result to take `actual` from; pass `cost`, a function of the usage');
  }
  return guardedGenerator(options, fn as (...args: A) => AsyncIterator<unknown> | Iterator<unknown>);
}

function notAFunction(fn: unknown): string {
  const hint = types.isPromise(fn) ? '; pass the function that makes the promise, and call what withCycles answers' : '';
  return `a guarded call needs a function type=${types.isPromise(fn) ? 'Promise' : typeof fn}${hint}`;
}

function guardedGenerator<A extends unknown[]>(
  options: WithCyclesOptions<A, never>,
  fn: (...args: A) => AsyncIterator<unknown> | Iterator<unknown>,
): (...args: A) => GuardedItems<unknown, unknown> {
  return function guarded(this: unknown, ...args: A) {
    return new GuardedItems(
      () => openStream(options, args),
      () => fn.apply(this, args),
    );
  };
}

function guardedFunction<A extends unknown[], R>(options: WithCyclesOptions<A, Awaited<R>>, fn: (...args: A) => R): unknown {
  const isWatched = options.cost !== undefined || options.onLimit !== undefined || options.extendBy !== undefined;
  const requestOf = requests(options);
  return async function guarded(this: unknown, ...args: A): Promise<unknown> {
    if (isWatched) return watchedCall(await openStream(options, args), () => fn.apply(this, args));
    const client = clientOf(options.client);
    const signal = signalOf(options, args);
    // Why look before waiting: in process nothing is to be waited for, and every wait costs turns of the queue.
    const request = requestOf(args);
    const begun = begin(client, typeof request === 'string' ? request : await request, signal);
    const guard = unwrap(isPending(begun) ? await begun : begun);
    if (options.dryRun) return dryRunResultFromWire(decode(unwrap(guard.context()))['response'] as WireDocument);

    const context = new CyclesContext(guard, signal, () => guard.parent());
    const body = (): R => fn.apply(this, args);
    let result: Awaited<R>;
    if (guard.cancels()) {
      result = await runCancellable(guard, context, body);
    } else {
      try {
        result = await runInContext(context, body);
      } catch (error) {
        CyclesContext.settle(context, settlementOf(guard, await guard.release(null)));
        throw error;
      }
    }
    if (isStreamLike(result)) return watched(new CallHold(guard, context, options), result);
    const actual = options.actual === undefined ? undefined : await actualOf(options.actual, result);
    const settled = commit(guard, context, options, actual);
    CyclesContext.settle(context, settlementOf(guard, isPending(settled) ? await settled : settled));
    return result;
  };
}

/** A call whose result is a stream that is watched. */
async function watchedCall(stream: StreamReservation, body: () => unknown): Promise<unknown> {
  let result: unknown;
  try {
    result = await runInContext(stream.context, body);
  } catch (error) {
    await stream.release(String(error));
    throw error;
  }
  if (isStreamLike(result)) return stream.watch(result as AsyncIterable<unknown>);
  await stream.commit();
  return result;
}

/** Reserves. Aborted, what comes of it is given back. */
function begin(client: CyclesClient, request: Encoded, signal: Signal | undefined): Answer<NativeGuard> {
  refuseAborted(signal);
  const begun = nativeOf(client).begin(request, CyclesContext.parentOf(getCyclesContext()));
  if (signal === undefined || !(types.isPromise(begun))) return begun;
  const giveBack = (): void => void begun.then((envelope) => 'ok' in envelope && envelope.ok.release('aborted'));
  return unlessAborted(signal, begun, giveBack);
}

/** Runs the function; releases when it throws, gives up when its lease is lost. */
async function runCancellable<R>(guard: NativeGuard, context: CyclesContext, body: () => R): Promise<Awaited<R>> {
  const lease = new LeaseWatch(guard, context);
  try {
    return await lease.unlessLost(runInContext(context, async () => body()));
  } catch (error) {
    if (lease.error) await guard.abandon();
    else CyclesContext.settle(context, settlementOf(guard, await guard.release(null)));
    throw lease.error ?? error;
  } finally {
    lease.stop();
  }
}

/** Commits `actual`, or the estimate, marked where there should have been an actual. */
function commit<A extends unknown[], R>(
  guard: NativeGuard,
  context: CyclesContext,
  options: WithCyclesOptions<A, R>,
  actual: Integer | undefined,
): Answer<null> {
  const unknown = options.actual !== undefined && actual === undefined;
  const metadata = unknown ? { ...context.commitMetadata, actual_source: 'estimate' } : context.commitMetadata;
  const spent = actual === undefined ? {} : { actual: amount(actual, options.unit) };
  if (context.metrics === undefined && metadata === undefined) return guard.commit(encodeCopy(spent));
  return guard.commit(encodeReport(spent, { metrics: context.metrics, metadata }));
}

/** The actual, or `undefined` when the callback did not produce a valid one. */
async function actualOf<R>(option: NonNullable<WithCyclesOptions<never, R>['actual']>, result: R): Promise<Integer | undefined> {
  try {
    const actual = typeof option === 'function' ? await option(result) : option;
    return isAmount(actual) ? actual : undefined;
  } catch {
    return undefined;
  }
}
