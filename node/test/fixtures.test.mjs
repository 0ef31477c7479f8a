import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { BudgetExceededError, CyclesConfigError, CyclesValidationError, withCycles } from 'runcycles';
import { forTest, perTest } from 'runcycles/testing';

/** Code under test: it knows nothing of tests. */
const agent = withCycles({ unit: 'TOKENS', estimate: 100, actual: 60 }, async () => 'an answer');

describe('a fixture for every test', () => {
  const cycles = perTest({ beforeEach, afterEach }, { budgets: { 'tenant:acme': '150 TOKENS' }, clock: true });

  for (const run of ['first', 'second']) {
    test(`${run}: each has an authority of its own`, async () => {
      assert.equal(cycles.budget().spent, 0);
      assert.equal(await agent(), 'an answer');
      assert.equal(cycles.budget().spent, 60);
      await assert.rejects(agent(), BudgetExceededError);
    });
  }

  test('faults and the clock are at hand', async () => {
    cycles.server.inject('commit', 'drop_after');
    assert.equal(await agent(), 'an answer');
    cycles.clock.advance(500);
    await cycles.server.waitFor('commit', 2);
    assert.equal(cycles.budget('TOKENS', 'tenant:acme').spent, 60);
  });
});

test('a fixture for one test, of this runner and of vitest', async (t) => {
  await t.test('of this one', async (inner) => {
    const cycles = forTest(inner, { transport: 'local' });
    assert.equal(await agent(), 'an answer');
    assert.equal(cycles.budget().spent, 60);
    assert.throws(() => cycles.clock, /clock: true/);
  });
  let finish;
  const cycles = forTest({ onTestFinished: (body) => { finish = body; } }, { config: { agent: 'writer' } });
  assert.equal(cycles.client.config.agent, 'writer');
  await finish();
  await assert.rejects(agent(), CyclesConfigError, 'the default client is gone with its test');
});

test('a fault that has not fired fails its test', async () => {
  let [begin, finish] = [];
  const cycles = perTest({ beforeEach: (body) => { begin = body; }, afterEach: (body) => { finish = body; } });
  assert.throws(() => cycles.client, CyclesValidationError, 'outside of a test');
  begin();
  cycles.server.inject('commit', 'drop_before');
  await assert.rejects(finish(), /drop_before of commit/);
  await finish();
});

test('an authority starts in less than 50 ms', () => {
  const times = Array.from({ length: 5 }, () => {
    const started = performance.now();
    const end = forTest({ after() {} });
    const took = performance.now() - started;
    void end.server.shutdown();
    return took;
  });
  // The fastest: the machine may be busy with other tests.
  assert.ok(Math.min(...times) < 50, times.join(', '));
});
