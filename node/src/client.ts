/// <reference lib="esnext.disposable" preserve="true" />
import { CyclesConfig, configToDocument } from './config.js';
import type { CyclesConfigOptions } from './config.js';
import type { JsonValue, WireDocument } from './document.js';
import { toDocument } from './document.js';
import type {
  BalanceQuery,
  BalanceResponse,
  CommitRequest,
  CommitResponse,
  DecisionRequest,
  DecisionResponse,
  EventCreateRequest,
  EventCreateResponse,
  ReleaseRequest,
  ReleaseResponse,
  ReservationCreateRequest,
  ReservationCreateResponse,
  ReservationDetail,
  ReservationExtendRequest,
  ReservationExtendResponse,
  ReservationListResponse,
  ReservationQuery,
} from './models.js';
import { fromWire, toWire } from './names.js';
import { native, unwrap } from './native.js';
import { listenerFor, notificationsFrom } from './notifications.js';
import type { JournalStats, Notification } from './notifications.js';
import type { NativeClient } from './native.js';
import { CyclesResponse } from './response.js';

/** Filters by their wire names, for those that the typed queries do not know yet. */
export interface WireQuery {
  [name: string]: string | number | bigint | boolean | undefined;
}

/** A seed: YAML or JSON text, or the same document as an object. */
export type Seed = string | { [member: string]: unknown };

const FLUSH_TIMEOUT_MS = 10_000;

/** An existing native client, in the place of a configuration. */
export class NativeHandle {
  constructor(readonly client: NativeClient) {}
}

/** The core behind a client; for the modules of this package. */
export let nativeOf: (client: CyclesClient) => NativeClient;

/**
 * Talks to a budget authority: over HTTP, or in process with {@link CyclesClient.embedded}.
 *
 * Requests are typed objects or wire documents (snake_case). A mutating request without an
 * idempotency key gets one. Low-level calls resolve to a {@link CyclesResponse} whatever the
 * authority answers, with status -1 when it did not.
 */
export class CyclesClient {
  readonly #native: NativeClient;

  static {
    nativeOf = (client) => client.#native;
  }

  /** Throws `CyclesConfigError` when a setting is missing or makes no sense. */
  constructor(config: CyclesConfig | CyclesConfigOptions);
  /** @internal */
  constructor(handle: NativeHandle);
  constructor(source: CyclesConfig | CyclesConfigOptions | NativeHandle) {
    this.#native =
      source instanceof NativeHandle ? source.client : unwrap(native.createClient(configToDocument(source)));
  }

  /** A client configured by `CYCLES_BASE_URL`, `CYCLES_API_KEY`, …; see {@link CyclesConfig.fromEnv}. */
  static fromEnv(prefix = 'CYCLES_'): CyclesClient {
    return new CyclesClient(CyclesConfig.fromEnv(prefix));
  }

  /** A client with an authority of its own in this process, holding `seed`. Gone with the client. */
  static embedded(seed: Seed, config: CyclesConfig | CyclesConfigOptions = {}): CyclesClient {
    const client = unwrap(native.embeddedClient(toDocument(seed), configToDocument(config)));
    return new CyclesClient(new NativeHandle(client));
  }

  createReservation(request: ReservationCreateRequest | WireDocument): Promise<CyclesResponse<ReservationCreateResponse>> {
    return this.#send('create_reservation', { body: toWire(request) });
  }

  commitReservation(reservationId: string, request: CommitRequest | WireDocument): Promise<CyclesResponse<CommitResponse>> {
    return this.#send('commit', { reservationId, body: toWire(request) });
  }

  releaseReservation(reservationId: string, request: ReleaseRequest | WireDocument = {}): Promise<CyclesResponse<ReleaseResponse>> {
    return this.#send('release', { reservationId, body: toWire(request) });
  }

  extendReservation(
    reservationId: string,
    request: ReservationExtendRequest | WireDocument,
  ): Promise<CyclesResponse<ReservationExtendResponse>> {
    return this.#send('extend', { reservationId, body: toWire(request) });
  }

  decide(request: DecisionRequest | WireDocument): Promise<CyclesResponse<DecisionResponse>> {
    return this.#send('decide', { body: toWire(request) });
  }

  createEvent(request: EventCreateRequest | WireDocument): Promise<CyclesResponse<EventCreateResponse>> {
    return this.#send('create_event', { body: toWire(request) });
  }

  getBalances(query: BalanceQuery | WireQuery): Promise<CyclesResponse<BalanceResponse>> {
    return this.#send('get_balances', { query: queryPairs(query) });
  }

  listReservations(query: ReservationQuery | WireQuery = {}): Promise<CyclesResponse<ReservationListResponse>> {
    return this.#send('list_reservations', { query: queryPairs(query) });
  }

  getReservation(reservationId: string): Promise<CyclesResponse<ReservationDetail>> {
    return this.#send('get_reservation', { reservationId });
  }

  /** Waits for settlements still on their way; resolves to how many are left. */
  async flush(timeoutMs = FLUSH_TIMEOUT_MS): Promise<number> {
    return unwrap(await this.#native.flush(toDocument(timeoutMs)));
  }

  /** What has happened in the background and nobody has taken yet. */
  notifications(): Notification[] {
    return notificationsFrom(unwrap(this.#native.takeNotifications()));
  }

  /**
   * Calls `callback` for everything that happens in the background, until the client ends. It does
   * not keep the process alive; what it throws becomes a process warning. One callback per client.
   */
  onNotification(callback: (notification: Notification) => unknown): void {
    unwrap(this.#native.listen(listenerFor(callback)));
  }

  /**
   * Makes further calls carry another key of the same tenant; what the former key could not book is tried again at
   * once. Throws a `CyclesConfigError` for a key that no header can carry, and for an embedded client.
   */
  setApiKey(apiKey: string): void {
    unwrap(this.#native.setApiKey(apiKey));
  }

  /** How the settlement journal stands; undefined without one. */
  journalStats(): JournalStats | undefined {
    const stats = unwrap(this.#native.journalStats());
    return stats === null ? undefined : (fromWire(stats) as unknown as JournalStats);
  }

  /** Same as {@link flush}. */
  flushPendingCommits(timeoutMs?: number): Promise<number> {
    return this.flush(timeoutMs);
  }

  /** Flushes, then lets go of the connections; resolves to how many settlements are left. */
  async close(flushTimeoutMs = FLUSH_TIMEOUT_MS): Promise<number> {
    return unwrap(await this.#native.close(toDocument(flushTimeoutMs)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #send<T>(
    operation: string,
    call: { reservationId?: string; query?: [string, string][]; body?: JsonValue },
  ): Promise<CyclesResponse<T>> {
    const document = toDocument({
      operation,
      reservation_id: call.reservationId,
      query: call.query ?? [],
      body: call.body,
    });
    return new CyclesResponse<T>(unwrap(await this.#native.send(document)));
  }
}

function queryPairs(query: object): [string, string][] {
  return Object.entries(toWire(query) as WireDocument).map(([name, value]) => [name, String(value)]);
}
