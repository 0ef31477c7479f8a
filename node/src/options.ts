import { types } from 'node:util';

import type { Signal } from './abort.js';
import type { CyclesClient } from './client.js';
import type { Encoded } from './document.js';
import { encodeCopy } from './document.js';
import { CyclesValidationError } from './errors.js';
import { Unit } from './models.js';
import type { Amount, CommitOveragePolicy, Integer, Metadata, Open } from './models.js';
import type { StreamUsage } from './usage.js';
import { whole } from './usage.js';

/** A fixed value, or a function of the call's arguments. */
export type FromArguments<A extends unknown[], T> = T | ((...args: A) => T | Promise<T>);

const SUBJECT_FIELDS = ['tenant', 'workspace', 'app', 'workflow', 'agent', 'toolset', 'dimensions'] as const;

/** What every guarded call, and every stream, may say. */
export interface ReserveOptions<A extends unknown[] = unknown[]> {
  /** What the call may cost; that much is reserved before the function runs. */
  estimate: FromArguments<A, Integer>;
  /** Default "unknown". */
  actionKind?: FromArguments<A, string | undefined>;
  /** Default "unknown". */
  actionName?: FromArguments<A, string | undefined>;
  actionTags?: FromArguments<A, string[] | undefined>;
  /** Default `USD_MICROCENTS`: 100,000,000 make one dollar. */
  unit?: Open<Unit> | undefined;
  /** How long the reservation lives unless extended. Sent only when set; the tenant's default holds otherwise. */
  ttlMs?: number | undefined;
  gracePeriodMs?: number | undefined;
  /** What happens when the actual exceeds the estimate. Sent only when set. */
  overagePolicy?: Open<CommitOveragePolicy> | undefined;
  /**
   * Who pays for a call inside another guarded call: it holds budget of its own (`own`), it draws from the outer
   * call's hold, which commits what it cost (`inherit`), or it is refused (`forbid`). The client's setting unless set.
   */
  nested?: Open<'own' | 'inherit' | 'forbid'> | undefined;
  tenant?: FromArguments<A, string | undefined>;
  workspace?: FromArguments<A, string | undefined>;
  app?: FromArguments<A, string | undefined>;
  workflow?: FromArguments<A, string | undefined>;
  agent?: FromArguments<A, string | undefined>;
  toolset?: FromArguments<A, string | undefined>;
  dimensions?: FromArguments<A, { [key: string]: string } | undefined>;
  /** Stored with the reservation. */
  metadata?: FromArguments<A, Metadata | undefined>;
  /** Makes the reservation repeatable: the same key and request reserve once. */
  idempotencyKey?: FromArguments<A, string | undefined>;
  /**
   * Aborted while the reservation is asked for: the call rejects with its reason, what was reserved is given
   * back. Aborted later, it reaches the function as `getCyclesContext().signal`; the settlement follows what the
   * function does.
   */
  signal?: FromArguments<A, Signal | undefined>;
  /** Default: the one of {@link setDefaultClient}. */
  client?: CyclesClient | undefined;
}

/** How a stream is watched. */
export interface WatchOptions {
  /** What the usage so far costs, in the estimate's unit. Without it, tokens cost themselves where the unit is `TOKENS`. */
  cost?: ((usage: StreamUsage) => Integer) | undefined;
  /**
   * What happens when the hold is used up: the stream goes on (`finish`, the default), ends (`cut`), or a further
   * reservation is taken, and the stream ends where that is refused (`extend`).
   */
  onLimit?: Open<'finish' | 'cut' | 'extend'> | undefined;
  /** What each further reservation holds; the estimate unless set. */
  extendBy?: Integer | undefined;
}

/** Throws `CyclesValidationError` for options that can never work. */
export function refuseUnusable(options: ReserveOptions<never[]> & WatchOptions, what: string): void {
  if (typeof options !== 'object' || options === null) {
    throw new CyclesValidationError(`${what} needs an object of options type=${typeof options}`);
  }
  if (options.estimate === undefined) throw new CyclesValidationError(`${what} needs an \`estimate\``);
  if (options.cost !== undefined && typeof options.cost !== 'function') {
    throw new CyclesValidationError(`\`cost\` must be a function of the usage type=${typeof options.cost}`);
  }
}

/** The caller's signal for one call. */
export function signalOf<A extends unknown[]>(options: ReserveOptions<A>, args: A): Signal | undefined {
  return (typeof options.signal === 'function' ? options.signal(...args) : options.signal) as Signal | undefined;
}

type Values = { [name: string]: unknown };

/** The request of one call, its options evaluated; a promise only where one of them is. */
export function guardRequest<A extends unknown[]>(
  options: ReserveOptions<A> & { dryRun?: boolean | undefined },
  args: A,
): Encoded | Promise<Encoded> {
  const values = evaluated(options, args);
  return types.isPromise(values) ? values.then((later) => request(options, later)) : request(options, values);
}

function request<A extends unknown[]>(options: ReserveOptions<A> & { dryRun?: boolean | undefined }, values: Values): Encoded {
  const subject: Values = {};
  for (const field of SUBJECT_FIELDS) subject[field] = values[field];
  return encodeCopy({
    estimate: amount(whole(values['estimate'] as Integer, 'estimate'), options.unit),
    subject,
    action: { kind: values['actionKind'] ?? 'unknown', name: values['actionName'] ?? 'unknown', tags: values['actionTags'] },
    ttl_ms: options.ttlMs,
    grace_period_ms: options.gracePeriodMs,
    overage_policy: options.overagePolicy,
    dry_run: options.dryRun,
    nested: options.nested,
    metadata: values['metadata'],
    idempotency_key: values['idempotencyKey'],
  });
}

/** What makes the request of each call. Options that are all plain values make one, which serves every call. */
export function requests<A extends unknown[]>(
  options: ReserveOptions<A> & { dryRun?: boolean | undefined },
): (args: A) => Encoded | Promise<Encoded> {
  if (!EVALUATED.every((name) => isPlainValue(options[name]))) return (args) => guardRequest(options, args);
  let fixed: Encoded | undefined;
  return () => (fixed ??= request(options, options as unknown as Values));
}

function isPlainValue(option: unknown): boolean {
  return option === null || (typeof option !== 'object' && typeof option !== 'function');
}

const EVALUATED = [...SUBJECT_FIELDS, 'estimate', 'actionKind', 'actionName', 'actionTags', 'metadata', 'idempotencyKey'] as const;

/** Why not one `await` each: most are values, and every one costs a turn of the event loop's queue. */
function evaluated<A extends unknown[]>(
  options: ReserveOptions<A>,
  args: A,
): Values | Promise<Values> {
  const values: Values = {};
  const waiting: Promise<void>[] = [];
  for (const name of EVALUATED) {
    const option = options[name];
    if (option === undefined) continue;
    const value: unknown = typeof option === 'function' ? option(...args) : option;
    if (types.isPromise(value)) waiting.push(value.then((later) => void (values[name] = later)));
    else values[name] = value;
  }
  return waiting.length === 0 ? values : Promise.all(waiting).then(() => values);
}

export function amount(value: Integer, unit: string | undefined): Amount {
  return { unit: unit ?? Unit.USD_MICROCENTS, amount: value };
}
