/** Test support, for any test runner. */
export { forTest, perTest } from './fixture.js';
export type { Fixture, FixtureOptions, Hooks, TestContext } from './fixture.js';
export { ManualClock, TestServer } from './testServer.js';
export type { BudgetState, FaultKind, FaultOptions, Operation, PendingFault, TestClientOptions } from './testServer.js';
