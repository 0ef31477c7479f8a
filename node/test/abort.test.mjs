import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { CyclesResponse, CyclesValidationError, getCyclesContext, reserveForStream, withCycles } from 'runcycles';
import { ManualClock } from 'runcycles/testing';

import { RESERVATION, authority } from './support/authority.mjs';

/** A call of `operation` that hangs until the test's clock moves. */
function hanging(t, operation) {
  const clock = new ManualClock();
  const all = authority(t, { clock });
  all.server.inject(operation, 'delay', { delayMs: 60_000 });
  const controller = new AbortController();
  const abortOnce = async () => {
    await all.server.waitForFaults(operation);
    controller.abort(new Error('not wanted any more'));
  };
  return { ...all, clock, controller, signal: controller.signal, abortOnce };
}

describe('an aborted signal', () => {
  const calls = {
    create_reservation: (client, options) => client.createReservation(RESERVATION, options),
    decide: (client, options) => client.decide(RESERVATION, options),
    create_event: (client, options) => client.createEvent({ ...RESERVATION, estimate: undefined, actual: RESERVATION.estimate }, options),
    get_balances: (client, options) => client.getBalances({ tenant: 'acme' }, options),
    list_reservations: (client, options) => client.listReservations({}, options),
    get_reservation: (client, options) => client.getReservation('rsv_1', options),
    commit: (client, options) => client.commitReservation('rsv_1', { actual: RESERVATION.estimate }, options),
    release: (client, options) => client.releaseReservation('rsv_1', {}, options),
    extend: (client, options) => client.extendReservation('rsv_1', { extendByMs: 1000 }, options),
  };
  for (const [operation, call] of Object.entries(calls)) {
    test(`ends ${operation} with its reason`, async (t) => {
      const { client, signal, abortOnce } = hanging(t, operation);
      const aborted = abortOnce();
      await assert.rejects(call(client, { signal }), (error) => error === signal.reason);
      await aborted;
      await assert.rejects(call(client, { signal }), /not wanted/, 'aborted before it began');
    });
  }

  test('ends a guarded call that is being reserved; what was held is given back', async (t) => {
    const { client, options, server, clock, signal, abortOnce, budget } = hanging(t, 'create_reservation');
    const aborted = abortOnce();
    let ran = false;
    await assert.rejects(withCycles({ ...options, signal }, () => { ran = true; })(), (error) => error === signal.reason);
    await aborted;
    clock.advance(60_000);
    await server.waitFor('release', 1);
    assert.equal(ran, false);
    assert.deepEqual([budget().spent, budget().reserved], [0, 0]);
    assert.ok(client);
  });

  test('does the same for a stream', async (t) => {
    const { options, server, clock, signal, abortOnce, budget } = hanging(t, 'create_reservation');
    const aborted = abortOnce();
    await assert.rejects(reserveForStream({ ...options, signal }), (error) => error === signal.reason);
    await aborted;
    clock.advance(60_000);
    await server.waitFor('release', 1);
    assert.equal(budget().reserved, 0);
  });

  test('reaches a function that runs, and its settlement still settles', async (t) => {
    const { options, budget } = authority(t);
    const controller = new AbortController();
    const call = withCycles({ ...options, signal: (request) => request.signal, actual: 30 }, async () => {
      const { signal } = getCyclesContext();
      controller.abort('enough');
      assert.equal(signal.aborted, true);
      assert.equal(signal.reason, 'enough');
      return 'what there was';
    });
    assert.equal(await call({ signal: controller.signal }), 'what there was');
    assert.equal(budget().spent, 30);
    const { signal } = new AbortController();
    await assert.rejects(
      withCycles({ ...options, signal }, async () => { throw new DOMException('stopped', 'AbortError'); })(),
      { name: 'AbortError' },
    );
    assert.equal(budget().reserved, 0);
  });

  test('ends the waiting for a flush, not the settling', async (t) => {
    const { client } = authority(t);
    const signal = AbortSignal.abort('enough');
    await assert.rejects(client.flush(1000, { signal }), (error) => error === 'enough');
    assert.equal(await client.flush(), 0);
  });
});

test('what is no signal is refused by name', async (t) => {
  const { client, options } = authority(t);
  for (const signal of [{}, 5, null, new AbortController()]) {
    await assert.rejects(client.getBalances({ tenant: 'acme' }, { signal }), /must be an AbortSignal/);
    await assert.rejects(withCycles({ ...options, signal }, () => {})(), /must be an AbortSignal/);
  }
});

test('listings are followed page by page', async (t) => {
  const { client, server } = authority(t);
  for (let i = 0; i < 7; i += 1) await client.createReservation(RESERVATION);
  const ids = [];
  for await (const reservation of client.reservations({ tenant: 'acme', limit: 3 })) ids.push(reservation.reservationId);
  assert.equal(new Set(ids).size, 7);
  assert.equal(server.count('list_reservations'), 3);
  for await (const _ of client.reservations({ limit: 3 })) break;
  assert.equal(server.count('list_reservations'), 4, 'no page is fetched that nobody wants');
  const scopes = [];
  for await (const balance of client.balances({ tenant: 'acme' })) scopes.push([balance.scope, balance.spent.amount]);
  assert.deepEqual(scopes, [['tenant:acme', 0]]);
});

test('a listing that is refused throws the typed error', async (t) => {
  const { client, server } = authority(t);
  server.inject('list_reservations', 'status', { status: 403, code: 'FORBIDDEN' });
  await assert.rejects(client.reservations().next(), (error) => error.code === 'FORBIDDEN' && error.status === 403);
  client.listReservations = async () => CyclesResponse.success(200, { reservations: [], next_cursor: 'c', has_more: true });
  await assert.rejects(client.reservations().next(), /names itself/);
});

test('clients and servers are disposed at the end of their scope', async (t) => {
  const { server } = authority(t);
  // What `await using` does; Node 20 has the symbol and not yet the syntax.
  const client = server.client();
  assert.equal((await client.getBalances({ tenant: 'acme' })).status, 200);
  await client[Symbol.asyncDispose]();
  await assert.rejects(client.getBalances({ tenant: 'acme' }), (error) => error instanceof CyclesValidationError && /closed/.test(error.message));
  await assert.rejects(reserveForStream({ client, estimate: 1 }), /closed/);
  assert.throws(() => client.setApiKey('k'), /closed/);
  assert.equal(await client.close(), 0, 'closing twice is fine');
});

test('ids that are none are refused before anything is sent', async (t) => {
  const { client, server } = authority(t);
  for (const wrong of ['', undefined, null, 7]) {
    await assert.rejects(client.getReservation(wrong), CyclesValidationError);
    await assert.rejects(client.commitReservation(wrong, { actual: RESERVATION.estimate }), CyclesValidationError);
  }
  assert.equal(server.count('get_reservation'), 0);
});
