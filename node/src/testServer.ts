/** A manual clock, and an authority of its own for each test. */
/// <reference lib="esnext.disposable" preserve="true" />
import { CyclesClient, NativeHandle } from './client.js';
import type { Seed } from './client.js';
import { configToDocument, unwrapConfig } from './config.js';
import type { CyclesConfigOptions } from './config.js';
import { toDocument } from './document.js';
import { fromWire, toWire } from './names.js';
import { native, unwrap } from './native.js';
import type { NativeClock, NativeTestServer } from './native.js';
import type { Integer, Open } from './models.js';

/** The nine operations of an authority. */
export type Operation =
  | 'create_reservation'
  | 'commit'
  | 'release'
  | 'extend'
  | 'decide'
  | 'create_event'
  | 'get_balances'
  | 'list_reservations'
  | 'get_reservation';

/** The state of one budget, in its unit. */
export interface BudgetState {
  allocated: Integer;
  remaining: Integer;
  reserved: Integer;
  spent: Integer;
  debt: Integer;
  overdraftLimit: Integer;
  isOverLimit: boolean;
  status: Open<'ACTIVE' | 'FROZEN' | 'CLOSED'>;
}

/**
 * What happens to a call:
 * - `drop_before`: the connection closes without an answer; nothing was applied;
 * - `drop_after`: the same, but the command was applied;
 * - `delay`: the call is held for `delayMs` by the server's clock, then applied;
 * - `status`: a refusal with `status`, and with `code` and `retryAfterMs` if given;
 * - `malformed`: the command was applied; `body`, by default HTML, stands for its answer.
 */
export type FaultKind = 'drop_before' | 'drop_after' | 'delay' | 'status' | 'malformed';

export interface FaultOptions {
  /** How many calls it hits. Default 1. */
  times?: number | undefined;
  /** How many calls pass before it. Default 0. */
  skip?: number | undefined;
  delayMs?: number | undefined;
  /** 400 to 599. */
  status?: number | undefined;
  /** An error code of the spec; default: the one that goes with the status. */
  code?: string | undefined;
  /** `Retry-After`, rounded up to whole seconds. */
  retryAfterMs?: number | undefined;
  body?: string | undefined;
}

/** A fault that has not fired, or not as often as it should. */
export interface PendingFault extends FaultOptions {
  operation: Operation;
  kind: FaultKind;
  times: number;
  skip: number;
}

export interface TestClientOptions {
  /** The name of a key in the seed; default: its first key. */
  key?: string | undefined;
  /** `local` reaches the very same authority in process. Default `http`. */
  transport?: 'http' | 'local' | undefined;
  config?: CyclesConfigOptions | undefined;
}

let clockOf: (clock: ManualClock) => NativeClock;

/** Time that moves only when told to; one clock drives the authority and its clients. */
export class ManualClock {
  readonly #native: NativeClock;

  static {
    clockOf = (clock) => clock.#native;
  }

  constructor(startMs = 1_800_000_000_000) {
    this.#native = unwrap(native.createClock(toDocument(startMs)));
  }

  advance(ms: number): void {
    unwrap(this.#native.advance(toDocument(ms)));
  }

  nowMs(): number {
    return unwrap(this.#native.nowMs());
  }
}

/** A fresh authority holding `seed`, listening on a free port of this machine. */
export class TestServer {
  readonly #native: NativeTestServer;

  constructor(seed: Seed, clock?: ManualClock) {
    this.#native = unwrap(native.startTestServer(toDocument(seed), clock && clockOf(clock)));
  }

  get baseUrl(): string {
    return unwrap(this.#native.baseUrl());
  }

  get adminKey(): string {
    return unwrap(this.#native.adminKey());
  }

  /** The secret of the seed's key `name`; without a name, of its first key. */
  apiKey(name?: string): string {
    return unwrap(this.#native.apiKey(toDocument(name)));
  }

  /** A client that falls back to its key's tenant. */
  client({ key, transport = 'http', config = {} }: TestClientOptions = {}): CyclesClient {
    const options = toDocument({ key, transport, config: configToDocument(config) });
    return new CyclesClient(new NativeHandle(unwrapConfig(this.#native.client(options)), config.retryFlushTimeout));
  }

  /** Resolves once the authority has answered `operation` successfully `count` times. */
  async waitFor(operation: Operation, count: number, timeoutMs = 5000): Promise<void> {
    unwrap(await this.#native.waitFor(toDocument({ operation, count, timeout_ms: timeoutMs })));
  }

  /**
   * Lets coming calls of `operation` go wrong, over either transport. Faults of one operation
   * fire in the order in which they were injected.
   */
  inject(operation: Operation, kind: FaultKind, options: FaultOptions = {}): void {
    unwrap(this.#native.inject(toWire({ ...options, operation, kind })));
  }

  /** Forgets the faults that have not fired, and lets delayed calls go on. */
  clearFaults(): void {
    unwrap(this.#native.clearFaults());
  }

  /** The faults that have not fired; there are none at the end of a good test. */
  pendingFaults(): PendingFault[] {
    return fromWire(unwrap(this.#native.pendingFaults())) as unknown as PendingFault[];
  }

  /**
   * Resolves once every fault of `operation` has fired. Once a `delay` has fired, advancing
   * the clock by as much lets the call go on.
   */
  async waitForFaults(operation: Operation, timeoutMs = 5000): Promise<void> {
    unwrap(await this.#native.waitForFaults(toDocument({ operation, timeout_ms: timeoutMs })));
  }

  /**
   * How many times the authority has answered `operation` successfully. Answers that a fault
   * lost or replaced count too: their commands were applied.
   */
  count(operation: Operation): number {
    return unwrap(this.#native.count(operation));
  }

  budget(scope: string, unit: string): BudgetState {
    return fromWire(unwrap(this.#native.budget({ scope, unit }))) as unknown as BudgetState;
  }

  async shutdown(): Promise<void> {
    unwrap(await this.#native.shutdown());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}
