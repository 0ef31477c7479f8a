/// <reference lib="esnext.disposable" preserve="true" />
import { abortable } from './abort.js';
import type { CallOptions } from './abort.js';
import { CyclesConfig, configFromNative, configToDocument, unwrapConfig } from './config.js';
import type { CyclesConfigOptions } from './config.js';
import type { JsonValue, WireDocument } from './document.js';
import { decode, encode, toDocument } from './document.js';
import { CyclesConfigError, CyclesTransportError, CyclesValidationError } from './errors.js';
import type {
  Amount,
  Balance,
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
  ReservationSummary,
} from './models.js';
import { fromWire, toWire } from './names.js';
import { native, unwrap } from './native.js';
import type { NativeResponse } from './native.js';
import { listenerFor, notificationsFrom } from './notifications.js';
import type { JournalStats, Notification } from './notifications.js';
import type { NativeClient } from './native.js';
import { CyclesResponse } from './response.js';

/** Filters by their wire names, for those that the typed queries do not know yet. */
export interface WireQuery {
  [name: string]: string | number | bigint | boolean | undefined;
}

/** A request with the wire's names, typed or not. */
export interface WireRequest {
  [name: string]: unknown;
}

/** What a scope is allocated: an amount, or its text, like `$5.00` or `1000 TOKENS`; a list for several units. */
export type Allocated = string | Amount | readonly (string | Amount)[];

/** Scopes with what they are allocated: `{ 'tenant:acme': '$5.00' }`. */
export interface Budgets {
  [scope: string]: Allocated;
}

/** A seed: YAML or JSON text, or the same document as an object. `budgets` is all it needs. */
export type Seed = string | { budgets?: Budgets | readonly object[] | undefined; [member: string]: unknown };

/** An existing native client, in the place of a configuration. */
export class NativeHandle {
  constructor(
    readonly client: NativeClient,
    readonly retryFlushTimeout: number | undefined,
  ) {}
}

/** The core behind a client; for the modules of this package. */
export let nativeOf: (client: CyclesClient) => NativeClient;

/** Clients that may have settlements under way, for {@link flushPendingCommits}. */
const live = new Set<WeakRef<CyclesClient>>();
const forgotten = new FinalizationRegistry<WeakRef<CyclesClient>>((client) => live.delete(client));

let waitsAtExit = false;

/**
 * A process that has nothing else to do waits for settlements under way, at most each client's
 * `retryFlushTimeout`. Once: what is left then is in the journal, for the next process.
 */
function waitAtExit(): void {
  if (waitsAtExit) return;
  waitsAtExit = true;
  process.once('beforeExit', () => {
    // A client that is closed in the meantime has nothing left.
    flushPendingCommits().catch(() => {});
  });
}

/**
 * Talks to a budget authority: over HTTP, or in process with {@link CyclesClient.embedded}.
 *
 * Requests are typed objects or wire documents (snake_case). A mutating request without an
 * idempotency key gets one. Low-level calls resolve to a {@link CyclesResponse} whatever the
 * authority answers, with status -1 when it did not; an aborted `signal` rejects with its reason.
 */
export class CyclesClient {
  readonly #native: NativeClient;
  readonly #flushTimeout: number;
  readonly #live: WeakRef<CyclesClient>;
  #config: CyclesConfig | undefined;

  static {
    nativeOf = (client) => client.#native;
  }

  /** Throws `CyclesConfigError` when a setting is missing or makes no sense. */
  constructor(config: CyclesConfig | CyclesConfigOptions);
  /** @internal */
  constructor(handle: NativeHandle);
  constructor(source: CyclesConfig | CyclesConfigOptions | NativeHandle) {
    if (source instanceof NativeHandle) {
      this.#native = source.client;
      this.#flushTimeout = source.retryFlushTimeout ?? new CyclesConfig().retryFlushTimeout;
    } else {
      const config = source instanceof CyclesConfig ? source : new CyclesConfig(required(source));
      this.#native = unwrapConfig(native.createClient(configToDocument(config)));
      this.#config = config;
      this.#flushTimeout = config.retryFlushTimeout;
    }
    this.#live = new WeakRef(this);
    live.add(this.#live);
    forgotten.register(this, this.#live);
    waitAtExit();
  }

  /** A client configured by `CYCLES_BASE_URL`, `CYCLES_API_KEY`, …; see {@link CyclesConfig.fromEnv}. */
  static fromEnv(prefix = 'CYCLES_'): CyclesClient {
    return new CyclesClient(CyclesConfig.fromEnv(prefix));
  }

  /**
   * A client with an authority of its own in this process, holding `seed`, such as
   * `{ budgets: { 'tenant:acme': '$5.00' } }`. A call that names no tenant spends that of the key,
   * by default the seed's first, or where it has no keys the first by name. Gone with the client.
   */
  static embedded(seed: Seed, config: CyclesConfig | CyclesConfigOptions = {}): CyclesClient {
    const settings = config instanceof CyclesConfig ? config : new CyclesConfig(config);
    const client = unwrapConfig(native.embeddedClient(toDocument(seed), configToDocument(settings)));
    return new CyclesClient(new NativeHandle(client, settings.retryFlushTimeout));
  }

  /** The settings in use. */
  get config(): CyclesConfig {
    this.#config ??= configFromNative(unwrap(this.#native.config()), this.#flushTimeout);
    return this.#config;
  }

  createReservation(
    request: ReservationCreateRequest | WireRequest,
    options?: CallOptions,
  ): Promise<CyclesResponse<ReservationCreateResponse>> {
    return this.#send('create_reservation', { body: request }, options);
  }

  commitReservation(
    reservationId: string,
    request: CommitRequest | WireRequest,
    options?: CallOptions,
  ): Promise<CyclesResponse<CommitResponse>> {
    return this.#send('commit', { reservationId, body: request }, options);
  }

  releaseReservation(
    reservationId: string,
    request: ReleaseRequest | WireRequest = {},
    options?: CallOptions,
  ): Promise<CyclesResponse<ReleaseResponse>> {
    return this.#send('release', { reservationId, body: request }, options);
  }

  extendReservation(
    reservationId: string,
    request: ReservationExtendRequest | WireRequest,
    options?: CallOptions,
  ): Promise<CyclesResponse<ReservationExtendResponse>> {
    return this.#send('extend', { reservationId, body: request }, options);
  }

  decide(request: DecisionRequest | WireRequest, options?: CallOptions): Promise<CyclesResponse<DecisionResponse>> {
    return this.#send('decide', { body: request }, options);
  }

  createEvent(request: EventCreateRequest | WireRequest, options?: CallOptions): Promise<CyclesResponse<EventCreateResponse>> {
    return this.#send('create_event', { body: request }, options);
  }

  getBalances(query: BalanceQuery | WireQuery, options?: CallOptions): Promise<CyclesResponse<BalanceResponse>> {
    return this.#send('get_balances', { query }, options);
  }

  /** All balances that match, one by one; the next page is fetched when it is needed. Throws the typed error. */
  balances(query: BalanceQuery, options?: CallOptions): AsyncGenerator<Balance, void, undefined> {
    return pages(query.cursor, async (cursor) => {
      const page = (await this.getBalances({ ...query, ...(cursor && { cursor }) }, options)).orThrow();
      return { ...page, rows: page.balances };
    });
  }

  listReservations(query: ReservationQuery | WireQuery = {}, options?: CallOptions): Promise<CyclesResponse<ReservationListResponse>> {
    return this.#send('list_reservations', { query }, options);
  }

  /** All reservations that match, one by one; the next page is fetched when it is needed. Throws the typed error. */
  reservations(query: ReservationQuery = {}, options?: CallOptions): AsyncGenerator<ReservationSummary, void, undefined> {
    return pages(query.cursor, async (cursor) => {
      const page = (await this.listReservations({ ...query, ...(cursor && { cursor }) }, options)).orThrow();
      return { ...page, rows: page.reservations };
    });
  }

  getReservation(reservationId: string, options?: CallOptions): Promise<CyclesResponse<ReservationDetail>> {
    return this.#send('get_reservation', { reservationId }, options);
  }

  /**
   * Waits for settlements still on their way; resolves to how many are left. An aborted `signal` ends the
   * waiting, not the settling.
   */
  async flush(timeoutMs?: number, options?: CallOptions): Promise<number> {
    const timeout = toDocument(timeoutMs ?? this.#flushTimeout);
    return unwrap(await abortable(options?.signal, (abort) => this.#native.flush(timeout, abort)));
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
  flushPendingCommits(timeoutMs?: number, options?: CallOptions): Promise<number> {
    return this.flush(timeoutMs, options);
  }

  /** Flushes, then lets go of the connections; resolves to how many settlements are left. */
  async close(flushTimeoutMs?: number): Promise<number> {
    live.delete(this.#live);
    return unwrap(await this.#native.close(toDocument(flushTimeoutMs ?? this.#flushTimeout)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #send<T>(
    operation: string,
    parts: { reservationId?: string; query?: object; body?: object },
    options?: CallOptions,
  ): Promise<CyclesResponse<T>> {
    const { reservationId, query = {}, body } = parts;
    if ('reservationId' in parts && (typeof reservationId !== 'string' || reservationId === '')) {
      throw new CyclesValidationError(`a reservation is named by its id, a text reservationId=${String(reservationId)}`);
    }
    const call = encode({
      operation,
      reservation_id: reservationId ?? null,
      query: queryPairs(query),
      body: body === undefined ? null : toWire(body),
    });
    const answer = unwrap(await abortable(options?.signal, (abort) => this.#native.send(call, abort)));
    return CyclesResponse.fromNative<T>(decode(answer) as unknown as NativeResponse);
  }
}

/** Waits for settlements of all clients still on their way; resolves to how many are left. */
export async function flushPendingCommits(timeoutMs?: number): Promise<number> {
  const clients = [...live].map((client) => client.deref()).filter((client) => client !== undefined);
  const left = await Promise.all(clients.map((client) => client.flush(timeoutMs)));
  return left.reduce((sum, count) => sum + count, 0);
}

/** Why not the default: a client without any setting is a mistake, a configuration without one may grow. */
function required(options: CyclesConfigOptions): CyclesConfigOptions {
  if (options === undefined) throw new CyclesConfigError('a client needs its settings, at least `baseUrl` and `apiKey`');
  return options;
}

function queryPairs(query: object): JsonValue[] {
  return Object.entries(toWire(query) as WireDocument).map(([name, value]) => [name, String(value)]);
}

interface Page<T> {
  rows: T[];
  nextCursor?: string;
  hasMore?: boolean;
}

async function* pages<T>(
  start: string | undefined,
  load: (cursor: string | undefined) => Promise<Page<T>>,
): AsyncGenerator<T, void, undefined> {
  let cursor = start;
  for (;;) {
    const { rows, nextCursor, hasMore } = await load(cursor);
    yield* rows;
    if (!nextCursor || hasMore === false) return;
    if (nextCursor === cursor) throw new CyclesTransportError(`page names itself as the next one cursor="${cursor}"`);
    cursor = nextCursor;
  }
}
