import { AsyncLocalStorage } from 'node:async_hooks';

import type { ErrorReport } from './errors.js';
import { errorFromReport } from './errors.js';
import type { CyclesError } from './errors.js';
import type { WireDocument } from './document.js';
import type { Amount, Balance, Caps, CyclesMetrics, Decision, Integer, Metadata, Open, Unit } from './models.js';
import { fromWire } from './names.js';
import { unwrap } from './native.js';
import type { NativeGuard, NativeSettlement } from './native.js';

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

interface GuardDocument {
  reservationId: string | null;
  decision: string;
  estimate: Amount;
  caps: Caps | null;
  expiresAtMs: number | null;
  affectedScopes: string[];
  scopePath: string | null;
  reserved: Amount | null;
  balances: Balance[];
  dryRun: boolean;
  traceId: string | null;
  parentReservationId: string | null;
  unseen: boolean;
}

/** The reservation that the running guarded function spends from. */
export class CyclesContext {
  readonly reservationId: string | undefined;
  readonly decision: Open<Decision>;
  readonly estimate: Integer;
  readonly unit: Open<Unit>;
  /** Limits to respect; the authority sets them with `ALLOW_WITH_CAPS`. */
  readonly caps: Caps | undefined;
  readonly affectedScopes: readonly string[];
  readonly scopePath: string | undefined;
  readonly reserved: Amount | undefined;
  readonly balances: readonly Balance[];
  readonly traceId: string | undefined;
  /** Whether nothing is held, because the authority could not be asked (`onUnreachable`). */
  readonly isUnseen: boolean;
  /** The reservation of the guarded call that this one is inside of. */
  readonly parentReservationId: string | undefined;

  /** Set it inside the function to report usage with the commit. */
  metrics: CyclesMetrics | undefined;
  /** Set it inside the function to store data with the commit. */
  commitMetadata: Metadata | undefined;
  /** How the call ended; set once the function has returned or thrown. */
  settlement: Settlement | undefined;

  readonly #guard: NativeGuard;

  constructor(guard: NativeGuard) {
    const document = fromWire(unwrap(guard.context())) as unknown as GuardDocument;
    this.#guard = guard;
    this.reservationId = document.reservationId ?? undefined;
    this.decision = document.decision;
    this.estimate = document.estimate.amount;
    this.unit = document.estimate.unit;
    this.caps = document.caps ?? undefined;
    this.affectedScopes = document.affectedScopes;
    this.scopePath = document.scopePath ?? undefined;
    this.reserved = document.reserved ?? undefined;
    this.balances = document.balances;
    this.traceId = document.traceId ?? undefined;
    this.isUnseen = document.unseen;
    this.parentReservationId = document.parentReservationId ?? undefined;
  }

  /** @internal */
  static guardOf(context: CyclesContext | undefined): NativeGuard | undefined {
    return context === undefined ? undefined : context.#guard;
  }

  /** When the reservation expires unless it is extended again; moves while the call runs. */
  get expiresAtMs(): number | undefined {
    return (unwrap(this.#guard.context())['expires_at_ms'] as number | null) ?? undefined;
  }
}

const storage = new AsyncLocalStorage<CyclesContext>();

/** The context of the innermost guarded function that is running; `undefined` outside of one. */
export function getCyclesContext(): CyclesContext | undefined {
  return storage.getStore();
}

export function runInContext<R>(context: CyclesContext, body: () => R): R {
  return storage.run(context, body);
}

export function settlementFrom(settlement: NativeSettlement): Settlement {
  return {
    outcome: settlement.outcome,
    response: settlement.response ?? undefined,
    error: settlement.error ? errorFromReport(settlement.error as ErrorReport) : undefined,
  };
}
