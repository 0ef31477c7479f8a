import type { Budgets, CyclesClient, Seed } from './client.js';
import type { CyclesConfigOptions } from './config.js';
import { setDefaultClient } from './defaults.js';
import { CyclesError, CyclesValidationError } from './errors.js';
import { ManualClock, TestServer } from './testServer.js';
import type { BudgetState } from './testServer.js';

export interface FixtureOptions {
  /** What the authority holds. Unless set: `budgets`. */
  seed?: Seed | undefined;
  /** Budgets, such as `{ 'tenant:acme': '$5.00' }`; a dollar and a million of each other unit for `acme` unless set. */
  budgets?: Budgets | undefined;
  /** Whether time stands still until it is told to move; it runs unless set. */
  clock?: boolean | undefined;
  /** How the client reaches the authority: over `http` unless set, or `local`, in process. */
  transport?: 'http' | 'local' | undefined;
  /** Settings of the client. Its tenant is that of its key, unless set. */
  config?: CyclesConfigOptions | undefined;
}

/** The hooks of a test runner: those that vitest, jest and `node:test` have. */
export interface Hooks {
  beforeEach(body: () => void): unknown;
  afterEach(body: () => Promise<void>): unknown;
}

/** A test that can be told what to do at its end: of `node:test` (`after`), or of vitest (`onTestFinished`). */
export type TestContext = { after(body: () => Promise<void>): unknown } | { onTestFinished(body: () => Promise<void>): unknown };

const BUDGETS = { 'tenant:acme': ['$1.00', '1000000 TOKENS', '1000000 CREDITS', '1000000 RISK_POINTS'] };

/**
 * An authority of its own for one test, with a client, which is the default client as long as the test runs.
 */
export class Fixture {
  readonly server: TestServer;
  readonly client: CyclesClient;
  readonly #clock: ManualClock | undefined;

  /** @internal */
  constructor({ seed, budgets = BUDGETS, clock = false, transport = 'http', config }: FixtureOptions) {
    this.#clock = clock ? new ManualClock() : undefined;
    this.server = new TestServer(seed ?? { budgets }, this.#clock);
    this.client = this.server.client({ transport, config });
    setDefaultClient(this.client);
  }

  /** The clock that moves when told. Throws where the fixture was not asked for one. */
  get clock(): ManualClock {
    if (this.#clock) return this.#clock;
    throw new CyclesValidationError('the test has no clock of its own; pass `clock: true`');
  }

  /** The budget of the tenant `acme` in `unit`, or that of another scope. */
  budget(unit = 'TOKENS', scope = 'tenant:acme'): BudgetState {
    return this.server.budget(scope, unit);
  }

  /** @internal Ends it; a fault that has not fired fails the test. */
  async end(): Promise<void> {
    const left = this.server.pendingFaults();
    setDefaultClient(undefined);
    this.server.clearFaults();
    await this.client.close(0);
    await this.server.shutdown();
    if (left.length > 0) throw new CyclesError(`faults have not fired: ${left.map(({ operation, kind }) => `${kind} of ${operation}`).join(', ')}`);
  }
}

/**
 * A fixture for every test of a file: `const cycles = perTest({ beforeEach, afterEach }, { budgets: { 'tenant:acme': '500 TOKENS' } })`.
 * Works with the hooks of vitest, jest and `node:test`.
 */
export function perTest({ beforeEach, afterEach }: Hooks, options: FixtureOptions = {}): Fixture {
  let current: Fixture | undefined;
  beforeEach(() => {
    current = new Fixture(options);
  });
  afterEach(async () => {
    const ended = current;
    current = undefined;
    await ended?.end();
  });
  const running = (): Fixture => {
    if (current) return current;
    throw new CyclesValidationError('no test is running; use the fixture inside of tests, not beside them');
  };
  return {
    get server() { return running().server; },
    get client() { return running().client; },
    get clock() { return running().clock; },
    budget: (unit?: string, scope?: string) => running().budget(unit, scope),
  } as Fixture;
}

/** A fixture for one test: `const cycles = forTest(t)`. */
export function forTest(test: TestContext, options: FixtureOptions = {}): Fixture {
  const fixture = new Fixture(options);
  const end = (): Promise<void> => fixture.end();
  if ('after' in test) test.after(end);
  else test.onTestFinished(end);
  return fixture;
}
