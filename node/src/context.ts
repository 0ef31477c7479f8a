import { AsyncLocalStorage } from 'node:async_hooks';
import { inspect } from 'node:util';

import type { NativeSignal, Signal } from './abort.js';
import type { Encoded, WireDocument } from './document.js';
import { decode } from './document.js';
import { errorFromReport } from './errors.js';
import type { CyclesError } from './errors.js';
import type { Amount, Balance, Caps, CyclesMetrics, Decision, Integer, Metadata, Open, Unit } from './models.js';
import { fromWire } from './names.js';
import { unwrap } from './native.js';
import type { Envelope, NativeGuard, NativeParent, NativeSettlement, NativeStream } from './native.js';
import { StreamUsage } from './usage.js';

/** How a guarded call was settled. */
export interface Settlement {
  outcome: Open<
    | 'committed'
    | 'inherited'
    | 'released'
    | 'recovered_via_event'
    | 'queued'
    | 'pending'
    | 'refused'
    | 'already_settled'
    | 'nothing_to_settle'
  >;
  /** The authority's answer, as the wire carries it. */
  response: WireDocument | undefined;
  error: CyclesError | undefined;
}

const MEMBERS = [
  'reservationId', 'decision', 'estimate', 'unit', 'caps', 'affectedScopes', 'scopePath', 'reserved', 'balances', 'traceId',
  'parentReservationId', 'isUnseen', 'isLeaseLost', 'expiresAtMs', 'metrics', 'commitMetadata', 'settlement',
] as const;

/** The reservation that the running guarded function spends from. */
export class CyclesContext {
  readonly #hold: NativeGuard | NativeStream;
  readonly #parent: (context: CyclesContext) => NativeParent | null;
  readonly #caller: Signal | undefined;
  #controller: AbortController | undefined;
  #signal: AbortSignal | undefined;
  /** What does not change while the call runs, once it was asked for. */
  #document: WireDocument | undefined;
  #settlement: Settlement | (() => Settlement) | undefined;

  /** Set it inside the function to report usage with the commit. */
  metrics: CyclesMetrics | undefined;
  /** Set it inside the function to store data with the commit. */
  commitMetadata: Metadata | undefined;
  #usage: StreamUsage | undefined;

  /** @internal */
  constructor(hold: NativeGuard | NativeStream, signal: Signal | undefined, parent: (context: CyclesContext) => NativeParent | null) {
    this.#hold = hold;
    this.#parent = parent;
    this.#caller = signal;
  }

  /** @internal */
  static parentOf(context: CyclesContext | undefined): NativeParent | undefined {
    return (context && context.#parent(context)) ?? undefined;
  }

  /** @internal `told` is asked once somebody wants to know. */
  static settle(context: CyclesContext, told: () => Envelope<Encoded>): void {
    context.#settlement = () => settlementFrom(told());
  }

  /** @internal */
  static cancel(context: CyclesContext, reason: unknown): void {
    context.#own.abort(reason);
  }

  get #facts(): WireDocument {
    this.#document ??= decode<WireDocument>(unwrap(this.#hold.context()));
    return this.#document;
  }

  get reservationId(): string | undefined {
    return optional(this.#facts['reservation_id']);
  }

  get decision(): Open<Decision> {
    return this.#facts['decision'] as string;
  }

  get estimate(): Integer {
    return (this.#facts['estimate'] as unknown as Amount).amount;
  }

  get unit(): Open<Unit> {
    return (this.#facts['estimate'] as unknown as Amount).unit;
  }

  /** Limits to respect; the authority sets them with `ALLOW_WITH_CAPS`. */
  get caps(): Caps | undefined {
    return optional(fromWire(this.#facts['caps']));
  }

  get affectedScopes(): readonly string[] {
    return this.#facts['affected_scopes'] as string[];
  }

  get scopePath(): string | undefined {
    return optional(this.#facts['scope_path']);
  }

  get reserved(): Amount | undefined {
    return optional(this.#facts['reserved']);
  }

  get balances(): readonly Balance[] {
    return fromWire(this.#facts['balances']) as unknown as Balance[];
  }

  get traceId(): string | undefined {
    return optional(this.#facts['trace_id']);
  }

  /** Whether nothing is held, because the authority could not be asked (`onUnreachable`). */
  get isUnseen(): boolean {
    return this.#facts['unseen'] === true;
  }

  /** The reservation of the guarded call that this one is inside of. */
  get parentReservationId(): string | undefined {
    return optional(this.#facts['parent_reservation_id']);
  }

  /** When the reservation expires unless it is extended again; moves while the call runs. */
  get expiresAtMs(): number | undefined {
    return optional(this.#now['expires_at_ms']);
  }

  /** Whether the reservation has ended for certain while its call still runs. */
  get isLeaseLost(): boolean {
    return this.#now['lease_lost'] === true;
  }

  get #now(): WireDocument {
    return decode(unwrap(this.#hold.context()));
  }

  /**
   * Aborted when the caller's `signal` is, and when the lease is lost under `heartbeatPolicy: 'cancel'`; pass it
   * to what the function calls.
   */
  get signal(): NativeSignal {
    this.#signal ??= this.#caller ? AbortSignal.any([this.#caller as AbortSignal, this.#own.signal]) : this.#own.signal;
    return this.#signal;
  }

  /** Why late: most functions ask for no signal, and one costs as much as a reservation in process. */
  get #own(): AbortController {
    this.#controller ??= new AbortController();
    return this.#controller;
  }

  /** What a stream has used so far; of a call, only what is committed with a stream that it returns. */
  get usage(): StreamUsage {
    this.#usage ??= new StreamUsage();
    return this.#usage;
  }

  /** How the call ended; set once the function has returned or thrown. */
  get settlement(): Settlement | undefined {
    if (typeof this.#settlement === 'function') this.#settlement = this.#settlement();
    return this.#settlement;
  }

  /** What is known of the call, as a plain object. */
  toJSON(): { [member: string]: unknown } {
    return Object.fromEntries(MEMBERS.map((name) => [name, this[name]]));
  }

  /** @internal */
  [inspect.custom](): string {
    return `CyclesContext ${inspect(this.toJSON())}`;
  }
}

function optional<T>(value: unknown): T | undefined {
  return (value as T | null | undefined) ?? undefined;
}

const storage = new AsyncLocalStorage<CyclesContext>();

/** The context of the innermost guarded function that is running; `undefined` outside of one. */
export function getCyclesContext(): CyclesContext | undefined {
  return storage.getStore();
}

export function runInContext<R>(context: CyclesContext, body: () => R): R {
  return storage.run(context, body);
}

function settlementFrom(envelope: Envelope<Encoded>): Settlement {
  if ('error' in envelope) return { outcome: 'refused', response: undefined, error: errorFromReport(envelope.error) };
  const { outcome, response, error } = decode(envelope.ok) as unknown as NativeSettlement;
  return { outcome, response: response ?? undefined, error: error ? errorFromReport(error) : undefined };
}
