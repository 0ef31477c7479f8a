import { BudgetExceededError } from 'runcycles';
import { perTest } from 'runcycles/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { ask } from './agent.mjs';

// An authority for each test; its client is the default one as long as the test runs.
const cycles = perTest({ beforeEach, afterEach }, { budgets: { 'tenant:acme': '150 TOKENS' }, clock: true });

test('an answer costs what it used', async () => {
  expect((await ask('hello')).text).toBe('an answer to hello');
  expect(cycles.budget().spent).toBe(60);
});

test('the agent stops when the budget is used up', async () => {
  await ask('hello');
  await expect(ask('once more')).rejects.toThrow(BudgetExceededError);
});

test('a commit whose answer is lost is charged once', async () => {
  cycles.server.inject('commit', 'drop_after');
  await ask('hello');
  cycles.clock.advance(500); // the first repeat is due within half a second
  await cycles.server.waitFor('commit', 2);
  expect(cycles.budget().spent).toBe(60);
});
