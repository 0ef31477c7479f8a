import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CyclesTransportError, CyclesValidationError, withCycles } from 'runcycles';
import { ManualClock, TestServer } from 'runcycles/testing';

import { seed } from './support/seed.mjs';

const event = {
  subject: { tenant: 'acme' },
  action: { kind: 'llm.completion', name: 'm' },
  actual: { unit: 'TOKENS', amount: 1 },
};

function started(t) {
  const clock = new ManualClock();
  const server = new TestServer(seed(1000), clock);
  t.after(() => server.shutdown());
  return { clock, server };
}

function guarded(client) {
  const options = { client, tenant: 'acme', unit: 'TOKENS', estimate: 100, actual: () => 60 };
  return withCycles(options, async () => 'an answer')();
}

test('a lost answer is charged once', async (t) => {
  const { clock, server } = started(t);
  server.inject('commit', 'drop_after');
  assert.equal(await guarded(server.client()), 'an answer');
  clock.advance(500);
  await server.waitFor('commit', 2);
  assert.equal(server.budget('tenant:acme', 'TOKENS').spent, 60);
  assert.deepEqual(server.pendingFaults(), []);
});

for (const transport of ['http', 'local']) {
  test(`every kind over ${transport}`, async (t) => {
    const { server } = started(t);
    const client = server.client({ transport });
    server.inject('create_event', 'status', { status: 429, retryAfterMs: 1500 });
    server.inject('create_event', 'malformed', { body: '<html>' });
    server.inject('create_reservation', 'drop_before', { times: 2 });

    const throttled = await client.createEvent(event);
    assert.equal(throttled.status, 429);
    assert.equal(throttled.retryAfterMsHeader, 2000);
    assert.equal(server.budget('tenant:acme', 'TOKENS').spent, 0);
    // What is not JSON is passed as the text it is.
    const garbled = await client.createEvent(event);
    assert.deepEqual([garbled.text, garbled.body, garbled.data], ['<html>', {}, {}]);
    assert.equal(server.budget('tenant:acme', 'TOKENS').spent, 1);
    await assert.rejects(guarded(client), CyclesTransportError);
    assert.equal(server.count('create_reservation'), 0);
    assert.equal(await guarded(client), 'an answer');
  });
}

test('pending faults can be waited for and cleared', async (t) => {
  const { server } = started(t);
  server.inject('commit', 'delay', { delayMs: 1000, skip: 1 });
  assert.deepEqual(server.pendingFaults(), [
    { operation: 'commit', kind: 'delay', times: 1, skip: 1, delayMs: 1000 },
  ]);
  await assert.rejects(server.waitForFaults('commit', 1), /delay_ms/);
  await server.waitForFaults('release');
  server.clearFaults();
  assert.deepEqual(server.pendingFaults(), []);
});

test('a fault that could not fire is refused', async (t) => {
  const { server } = started(t);
  for (const [operation, kind, options, said] of [
    ['comit', 'drop_after', {}, /create_reservation, commit, release/],
    ['commit', 'explode', {}, /drop_before/],
    ['commit', 'drop_after', { tims: 2 }, /times/],
    ['commit', 'drop_after', { times: 0 }, /times=0/],
    ['commit', 'drop_after', { times: 1.5 }, /times/],
    ['commit', 'delay', { status: 503, delayMs: 1 }, /field=status/],
    ['commit', 'status', { status: 200 }, /400 to 599/],
  ]) {
    assert.throws(
      () => server.inject(operation, kind, options),
      (error) => error instanceof CyclesValidationError && said.test(error.message),
      `${operation} ${kind} ${JSON.stringify(options)}`,
    );
  }
  assert.deepEqual(server.pendingFaults(), []);
});
