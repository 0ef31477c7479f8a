import type { CyclesClient } from './client.js';
import { nativeOf } from './client.js';
import { CyclesContext, getCyclesContext, runInContext, settlementFrom } from './context.js';
import { requireDefaultClient } from './defaults.js';
import type { JsonValue } from './document.js';
import { CyclesValidationError, errorFromReport } from './errors.js';
import { Unit, dryRunResultFromWire } from './models.js';
import type { Amount, CommitOveragePolicy, DryRunResult, Integer, Metadata, Open, Subject } from './models.js';
import { toWire } from './names.js';
import { unwrap } from './native.js';
import type { Envelope, NativeGuard, NativeSettlement } from './native.js';
import type { WireDocument } from './document.js';

/** A fixed value, or a function of the call's arguments. */
export type FromArguments<A extends unknown[], T> = T | ((...args: A) => T | Promise<T>);

const SUBJECT_FIELDS = ['tenant', 'workspace', 'app', 'workflow', 'agent', 'toolset', 'dimensions'] as const;

export interface WithCyclesOptions<A extends unknown[] = unknown[], R = unknown> {
  /** What the call may cost; that much is reserved before the function runs. */
  estimate: FromArguments<A, Integer>;
  /** What it did cost, committed after it ran. Absent: the estimate is committed. */
  actual?: Integer | ((result: R) => Integer | Promise<Integer>) | undefined;
  /** `false`: a guarded call without `actual` is refused before anything is reserved. Default true. */
  useEstimateIfActualNotProvided?: boolean | undefined;
  /** Default "unknown". */
  actionKind?: FromArguments<A, string> | undefined;
  /** Default "unknown". */
  actionName?: FromArguments<A, string> | undefined;
  actionTags?: FromArguments<A, string[]> | undefined;
  /** Default `USD_MICROCENTS`: 100,000,000 make one dollar. */
  unit?: Open<Unit> | undefined;
  /** How long the reservation lives unless extended. Sent only when set; the tenant's default holds otherwise. */
  ttlMs?: number | undefined;
  gracePeriodMs?: number | undefined;
  /** What happens when the actual exceeds the estimate. Sent only when set. */
  overagePolicy?: Open<CommitOveragePolicy> | undefined;
  /** Ask for the decision only: the function does not run and a {@link DryRunResult} is returned. */
  dryRun?: boolean | undefined;
  /**
   * Who pays for a call inside another guarded call: it holds budget of its own (`own`), it draws from the outer
   * call's hold, which commits what it cost (`inherit`), or it is refused (`forbid`). The client's setting unless set.
   */
  nested?: Open<'own' | 'inherit' | 'forbid'> | undefined;
  tenant?: FromArguments<A, string | undefined> | undefined;
  workspace?: FromArguments<A, string | undefined> | undefined;
  app?: FromArguments<A, string | undefined> | undefined;
  workflow?: FromArguments<A, string | undefined> | undefined;
  agent?: FromArguments<A, string | undefined> | undefined;
  toolset?: FromArguments<A, string | undefined> | undefined;
  dimensions?: FromArguments<A, { [key: string]: string } | undefined> | undefined;
  /** Stored with the reservation. */
  metadata?: FromArguments<A, Metadata | undefined> | undefined;
  /** Makes the reservation repeatable: the same key and request reserve once. */
  idempotencyKey?: FromArguments<A, string | undefined> | undefined;
  /** Default: the one of {@link setDefaultClient}. */
  client?: CyclesClient | undefined;
}

/**
 * Wraps `fn` so that every call first reserves its estimate, then runs, then commits its actual.
 *
 * A denial throws the typed error and `fn` never runs. An error that `fn` throws releases the
 * reservation and is thrown on, the same object. While `fn` runs its reservation is kept alive.
 * The result of `fn` is returned whatever the settlement's outcome (see {@link CyclesContext.settlement}).
 */
export function withCycles<A extends unknown[], R>(
  options: WithCyclesOptions<A, Awaited<R>> & { dryRun: true },
  fn: (...args: A) => R,
): (...args: A) => Promise<DryRunResult>;
export function withCycles<A extends unknown[], R>(
  options: WithCyclesOptions<A, Awaited<R>> & { dryRun?: false | undefined },
  fn: (...args: A) => R,
): (...args: A) => Promise<Awaited<R>>;
export function withCycles<A extends unknown[], R>(
  options: WithCyclesOptions<A, Awaited<R>>,
  fn: (...args: A) => R,
): (...args: A) => Promise<Awaited<R> | DryRunResult>;
export function withCycles<A extends unknown[], R>(
  options: WithCyclesOptions<A, Awaited<R>>,
  fn: (...args: A) => R,
): (...args: A) => Promise<Awaited<R> | DryRunResult> {
  refuseUnusable(options, fn);

  return async function guarded(this: unknown, ...args: A): Promise<Awaited<R> | DryRunResult> {
    const client = options.client ?? requireDefaultClient();
    const parent = CyclesContext.guardOf(getCyclesContext());
    const guard = unwrap(await nativeOf(client).begin(await guardRequest(options, args), parent));
    const decision = unwrap(guard.context());
    if (decision['dry_run'] === true) return dryRunResultFromWire(decision['response'] as WireDocument);

    const context = new CyclesContext(guard);
    let result: Awaited<R>;
    try {
      result = await runInContext(context, () => fn.apply(this, args));
    } catch (error) {
      settled(context, await guard.release(null));
      throw error;
    }
    settled(context, await commit(guard, context, options, result));
    return result;
  };
}

function refuseUnusable<A extends unknown[], R>(options: WithCyclesOptions<A, R>, fn: unknown): void {
  if (typeof fn !== 'function') {
    throw new CyclesValidationError(`a guarded call needs a function type=${typeof fn}`);
  }
  // Why: calling one only makes an iterator, so the commit would come before the first item.
  if (/^(Async)?GeneratorFunction$/.test(fn.constructor.name)) {
    throw new CyclesValidationError('a generator function cannot be guarded; guard the function that consumes it');
  }
  if (options.estimate === undefined) throw new CyclesValidationError('a guarded call needs an `estimate`');
  if (options.actual === undefined && options.useEstimateIfActualNotProvided === false) {
    throw new CyclesValidationError('a guarded call needs `actual` when useEstimateIfActualNotProvided is false');
  }
}

async function guardRequest<A extends unknown[], R>(options: WithCyclesOptions<A, R>, args: A): Promise<JsonValue> {
  const subject: { [field: string]: unknown } = {};
  for (const field of SUBJECT_FIELDS) subject[field] = await resolve<A, unknown>(options[field], args);
  return toWire({
    estimate: amount(await resolve(options.estimate, args), options),
    subject: subject as Subject,
    action: {
      kind: (await resolve(options.actionKind, args)) ?? 'unknown',
      name: (await resolve(options.actionName, args)) ?? 'unknown',
      tags: await resolve(options.actionTags, args),
    },
    ttlMs: options.ttlMs,
    gracePeriodMs: options.gracePeriodMs,
    overagePolicy: options.overagePolicy,
    dryRun: options.dryRun,
    nested: options.nested,
    metadata: await resolve(options.metadata, args),
    idempotencyKey: await resolve(options.idempotencyKey, args),
  });
}

async function resolve<A extends unknown[], T>(option: FromArguments<A, T>, args: A): Promise<T> {
  return typeof option === 'function' ? await (option as (...args: A) => T | Promise<T>)(...args) : option;
}

function amount(value: Integer, options: { unit?: string | undefined }): Amount {
  return { unit: options.unit ?? Unit.USD_MICROCENTS, amount: value };
}

async function commit<A extends unknown[], R>(
  guard: NativeGuard,
  context: CyclesContext,
  options: WithCyclesOptions<A, R>,
  result: R,
): Promise<Envelope<NativeSettlement>> {
  const actual = await actualOf(options, result);
  const unknown = options.actual !== undefined && actual === undefined;
  const metadata = unknown ? { ...context.commitMetadata, actual_source: 'estimate' } : context.commitMetadata;
  const spent = { actual: actual === undefined ? undefined : amount(actual, options) };
  return guard.commit(toWireOr({ ...spent, metrics: context.metrics, metadata }, spent));
}

/** Why a second choice: the work has run, so its spend is booked even where its report is no document. */
function toWireOr(report: object, spent: object): JsonValue {
  try {
    return toWire(report);
  } catch {
    return toWire(spent);
  }
}

/** The actual, or `undefined` when there is none or the callback did not produce a valid one. */
async function actualOf<A extends unknown[], R>(options: WithCyclesOptions<A, R>, result: R): Promise<Integer | undefined> {
  try {
    const actual = typeof options.actual === 'function' ? await options.actual(result) : options.actual;
    return isAmount(actual) ? actual : undefined;
  } catch {
    return undefined;
  }
}

function isAmount(value: unknown): value is Integer {
  return (typeof value === 'bigint' || Number.isSafeInteger(value)) && (value as Integer) >= 0;
}

/** Never throws: the caller's result, or its error, goes out whatever became of the settlement. */
function settled(context: CyclesContext, envelope: Envelope<NativeSettlement>): void {
  context.settlement =
    'error' in envelope
      ? { outcome: 'refused', response: undefined, error: errorFromReport(envelope.error) }
      : settlementFrom(envelope.ok);
}
