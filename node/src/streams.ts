import { refuseAborted, unlessAborted } from './abort.js';
import { nativeOf } from './client.js';
import { CyclesContext, getCyclesContext, runInContext } from './context.js';
import type { Settlement } from './context.js';
import { clientOf } from './defaults.js';
import type { Encoded } from './document.js';
import { decode, toDocument } from './document.js';
import { CyclesError, errorFromReport } from './errors.js';
import { watched } from './items.js';
import type { Hold, ItemOf, Watchable, Watched } from './items.js';
import { LeaseWatch } from './lease.js';
import type { Caps, CyclesMetrics, Decision, Integer, Metadata, Open } from './models.js';
import { encodeReport } from './names.js';
import { settlementOf, unwrap } from './native.js';
import type { Answer, Envelope, NativeFlow, NativeGuard, NativeStream } from './native.js';
import { amount, guardRequest, refuseUnusable, signalOf } from './options.js';
import type { ReserveOptions, WatchOptions } from './options.js';
import type { StreamUsage } from './usage.js';
import { isAmount } from './usage.js';

/** What {@link reserveForStream} takes. */
export interface StreamReservationOptions extends ReserveOptions<[]>, WatchOptions {}

/**
 * Reserves budget for a stream, whose cost is known when it has ended. The reservation is kept alive until the
 * handle commits, releases or is disposed; the first of them wins.
 *
 * Throws the typed error when the reservation is denied.
 */
export function reserveForStream(options: StreamReservationOptions): Promise<StreamReservation> {
  return openStream(options, []);
}

export async function openStream<A extends unknown[]>(
  options: ReserveOptions<A> & WatchOptions & { dryRun?: boolean | undefined },
  args: A,
): Promise<StreamReservation> {
  refuseUnusable(options as StreamReservationOptions, 'a stream');
  const client = clientOf(options.client);
  const signal = signalOf(options, args);
  const request = await guardRequest(options, args);
  refuseAborted(signal);
  const watch = toDocument({ on_limit: options.onLimit, extend_by: options.extendBy });
  const begun = nativeOf(client).beginStream(request, watch, CyclesContext.parentOf(getCyclesContext()));
  const giveBack = (): void => {
    void Promise.resolve(begun).then((envelope) => 'ok' in envelope && envelope.ok.abort('{}', 'aborted'));
  };
  const stream = unwrap(await unlessAborted(signal, begun, giveBack));
  const context = new CyclesContext(stream, signal, (own) => stream.parent(usageDocument(own, options.cost)));
  return new StreamReservation(stream, context, options.cost);
}

/** A stream's hold. */
export class StreamReservation {
  readonly #native: NativeStream;
  readonly #cost: WatchOptions['cost'];
  readonly context: CyclesContext;
  #finalized = false;
  #isCut = false;
  #limitError: CyclesError | undefined;
  /** @internal */
  readonly lease: LeaseWatch | undefined;
  /** Known once the holds are settled. */
  #reservationIds: string[] | undefined;

  /** @internal */
  constructor(native: NativeStream, context: CyclesContext, cost: WatchOptions['cost']) {
    this.#native = native;
    this.context = context;
    this.#cost = cost;
    this.lease = native.cancels() ? new LeaseWatch(native, context) : undefined;
  }

  /** The first reservation's id. */
  get reservationId(): string {
    return this.context.reservationId ?? '';
  }

  /** All reservations' ids; more than one after `onLimit: 'extend'`. */
  get reservationIds(): string[] {
    return this.#reservationIds ?? (decode(unwrap(this.#native.context()))['reservation_ids'] as string[]);
  }

  get decision(): Open<Decision> {
    return this.context.decision;
  }

  get caps(): Caps | undefined {
    return this.context.caps;
  }

  /** What the stream has used so far; count here while it flows. */
  get usage(): StreamUsage {
    return this.context.usage;
  }

  /** Whether it was committed, released or disposed. */
  get finalized(): boolean {
    return this.#finalized;
  }

  /** Whether the stream ended because its hold was used up or lost. */
  get isCut(): boolean {
    return this.#isCut || this.lease?.error !== undefined;
  }

  /** Why a further reservation was refused, or which lease was lost. */
  get limitError(): CyclesError | undefined {
    return this.#limitError ?? this.lease?.error;
  }

  /** How it was settled. */
  get settlement(): Settlement | undefined {
    return this.context.settlement;
  }

  /** Whether more may flow; `false` ends the stream, which is then to be committed. Ask before each piece. */
  async proceed(): Promise<boolean> {
    if (this.#finalized) return false;
    const { flow, error } = decode(unwrap(await this.#native.proceed(this.#used()))) as unknown as NativeFlow;
    if (flow !== 'continue') this.#isCut = true;
    if (error) this.#limitError = errorFromReport(error);
    return flow === 'continue';
  }

  /**
   * Lets `source` through as long as the hold lasts, the same kind of stream as it is, and settles it at its end,
   * at an error, when it is cancelled or destroyed, and when the hold is used up. `onItem` sees every item, to
   * count `usage`.
   */
  watch<S extends Watchable>(source: S, onItem?: (item: ItemOf<S>, usage: StreamUsage) => unknown): Watched<S> {
    return watched(this, source, onItem as (item: unknown, usage: StreamUsage) => unknown) as Watched<S>;
  }

  /** Runs `body` so that {@link getCyclesContext} and guarded calls inside it see this stream. */
  run<R>(body: () => R): R {
    return runInContext(this.context, body);
  }

  /**
   * Commits `actual`, or what `usage` and `cost` say, or the estimate. Throws when it was settled already, and
   * when the authority refuses; what is only late is repeated in the background.
   */
  async commit(actual?: Integer, metrics?: CyclesMetrics, metadata?: Metadata): Promise<void> {
    if (this.#finalized) throw new CyclesError('the stream is settled already; look at `finalized` before another commit');
    if (actual !== undefined) this.usage.setActualCost(actual);
    if (metrics) this.context.metrics = { ...this.context.metrics, ...metrics };
    if (metadata) this.context.commitMetadata = { ...this.context.commitMetadata, ...metadata };
    await this.#settle(() => this.#native.finish(this.#used()));
    if (this.settlement?.outcome === 'refused' && this.settlement.error) throw this.settlement.error;
  }

  /** Gives back what was not used; commits what `usage` says was. Does nothing once settled, and never throws. */
  async release(reason?: string): Promise<void> {
    if (!this.#finalized) await this.#settle(() => this.#native.abort(this.#used(), reason ?? null));
  }

  /** Releases without waiting, for streams that never began. Does nothing once settled. */
  dispose(): void {
    void this.release('disposed');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release('disposed');
  }

  /** @internal */
  async end(): Promise<void> {
    if (!this.#finalized) await this.#settle(() => this.#native.finish(this.#used()));
  }

  async #settle(how: () => Envelope<Encoded> | Promise<Envelope<Encoded>>): Promise<void> {
    this.#reservationIds = this.reservationIds;
    this.#finalized = true;
    this.lease?.stop();
    const envelope = await how();
    CyclesContext.settle(this.context, () => envelope);
  }

  #used(): Encoded {
    return usageDocument(this.context, this.#cost);
  }
}

/** The hold of a plain guarded call that has answered a stream. */
export class CallHold implements Hold {
  #settled = false;

  constructor(
    readonly guard: NativeGuard,
    readonly context: CyclesContext,
    readonly options: { actual?: unknown; unit?: string | undefined },
  ) {}

  proceed(): Promise<boolean> {
    return Promise.resolve(true);
  }

  end(): Promise<void> {
    const { actual: fixed, unit } = this.options;
    const known = this.context.usage.actualCost ?? fixed;
    const actual = isAmount(known) ? amount(known, unit) : undefined;
    const { metrics, commitMetadata: metadata } = this.context;
    return this.#settle(() => this.guard.commit(encodeReport({ actual }, { metrics, metadata })));
  }

  release(reason?: string): Promise<void> {
    return this.#settle(() => this.guard.release(reason ?? null));
  }

  async #settle(how: () => Answer<null>): Promise<void> {
    if (this.#settled) return;
    this.#settled = true;
    CyclesContext.settle(this.context, settlementOf(this.guard, await how()));
  }
}

function usageDocument(context: CyclesContext, cost: WatchOptions['cost']): Encoded {
  const { usage, metrics, commitMetadata: metadata } = context;
  const counts = {
    tokensInput: usage.tokensInput,
    tokensOutput: usage.tokensOutput,
    actual: usage.actualCost,
    cost: usage.actualCost === undefined ? costOf(cost, usage) : undefined,
  };
  const custom = Object.keys(usage.custom).length > 0 ? usage.custom : undefined;
  return encodeReport(counts, { metrics: { modelVersion: usage.modelVersion, custom, ...metrics }, metadata });
}

/** What the user's function makes of the usage; `undefined` where that is no amount. */
function costOf(cost: WatchOptions['cost'], usage: StreamUsage): Integer | undefined {
  try {
    const value = cost?.(usage);
    return isAmount(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
