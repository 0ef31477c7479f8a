/** Test support: a manual clock, and an authority of its own for each test. */
/// <reference lib="esnext.disposable" preserve="true" />
import { CyclesClient, NativeHandle } from './client.js';
import type { Seed } from './client.js';
import { configToDocument } from './config.js';
import type { CyclesConfigOptions } from './config.js';
import { toDocument } from './document.js';
import { fromWire } from './names.js';
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

  client({ key, transport = 'http', config = {} }: TestClientOptions = {}): CyclesClient {
    const options = toDocument({ key, transport, config: configToDocument(config) });
    return new CyclesClient(new NativeHandle(unwrap(this.#native.client(options))));
  }

  /** Resolves once the authority has answered `operation` successfully `count` times. */
  async waitFor(operation: Operation, count: number, timeoutMs = 5000): Promise<void> {
    unwrap(await this.#native.waitFor(toDocument({ operation, count, timeout_ms: timeoutMs })));
  }

  /** How many times the authority has answered `operation` successfully. */
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
