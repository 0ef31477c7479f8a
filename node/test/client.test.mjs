import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { test } from 'node:test';

import {
  CyclesClient,
  CyclesConfig,
  CyclesConfigError,
  CyclesValidationError,
  Unit,
  commitRequestToWire,
  getCyclesContext,
  reservationCreateRequestToWire,
  reservationCreateResponseFromWire,
  withCycles,
} from 'runcycles';
import { TestServer } from 'runcycles/testing';

import { seed } from './support/seed.mjs';

const request = {
  subject: { tenant: 'acme', dimensions: { costCenter: 'x' } },
  action: { kind: 'llm.completion', name: 'm' },
  estimate: { unit: Unit.TOKENS, amount: 100 },
  ttlMs: 60_000,
};

function serverFor(t, allocated = 1000) {
  const server = new TestServer(seed(allocated));
  t.after(() => server.shutdown());
  return server;
}

test('typed requests and wire documents are both accepted', async (t) => {
  const client = serverFor(t).client();
  const typed = await client.createReservation({ ...request, metadata: { ttlMs: 'mine' } });
  assert.equal(typed.status, 200, inspect(typed));
  assert.ok(typed.isSuccess && typed.requestId && typed.traceId);
  assert.equal(typed.body.reservation_id, typed.data.reservationId);
  assert.equal(typed.getBodyAttribute('decision'), 'ALLOW');
  assert.equal(reservationCreateResponseFromWire(typed.body).reservationId, typed.data.reservationId);

  const stored = (await client.getReservation(typed.data.reservationId)).data;
  assert.deepEqual(stored.metadata, { ttlMs: 'mine' }, "the caller's own keys are not renamed");
  assert.deepEqual(stored.subject.dimensions, { costCenter: 'x' });

  const wire = await client.createReservation(reservationCreateRequestToWire(request));
  assert.equal(wire.status, 200);
  const committed = await client.commitReservation(wire.data.reservationId, commitRequestToWire({ actual: { unit: 'TOKENS', amount: 1 } }));
  assert.equal(committed.data.charged.amount, 1);
  const extended = await client.extendReservation(typed.data.reservationId, { extendByMs: 1000 });
  assert.ok(extended.data.expiresAtMs > typed.data.expiresAtMs - 1);
  assert.equal((await client.releaseReservation(typed.data.reservationId)).data.status, 'RELEASED');
  assert.equal((await client.decide({ ...request, ttlMs: undefined })).data.decision, 'ALLOW');
  const event = await client.createEvent({ subject: { tenant: 'acme' }, action: request.action, actual: { unit: 'TOKENS', amount: 2 } });
  assert.equal(event.status, 201);
  assert.equal((await client.getBalances({ tenant: 'acme', includeChildren: true })).data.balances[0].spent.amount, 3);
  assert.equal((await client.listReservations({ tenant: 'acme', limit: 1 })).data.hasMore, true);
});

test('an HTTP error is an answer, not an exception', async (t) => {
  const client = serverFor(t, 1).client();
  const denied = await client.createReservation(request);
  assert.equal(denied.status, 409);
  assert.ok(denied.isClientError && !denied.isSuccess);
  assert.equal(denied.data, undefined);
  const error = denied.getErrorResponse();
  assert.equal(error.error, 'BUDGET_EXCEEDED');
  assert.ok(error.requestId && error.traceId);
  assert.equal((await client.getReservation('no/such reservation?')).status, 404);
});

test('an authority that does not answer is status -1', async (t) => {
  const server = serverFor(t);
  const client = server.client();
  await server.shutdown();
  const response = await client.getBalances({ tenant: 'acme' });
  assert.equal(response.status, -1);
  assert.ok(response.isTransportError && response.errorMessage);
  assert.equal(response.getErrorResponse(), undefined);
});

test('an authority in process needs no server', async () => {
  const tokens = { unit: 'TOKENS', amount: 500 };
  for (const start of [
    seed(500),
    JSON.stringify(seed(500)),
    'budgets: {tenant:acme: 500 TOKENS}',
    { budgets: { 'tenant:acme': tokens } },
    { budgets: { 'tenant:acme': [{ ...tokens, amount: 500n }, '$1.00'], 'tenant:zeta': '1 TOKENS' } },
  ]) {
    const client = CyclesClient.embedded(start, { tenant: 'acme' });
    const { data } = await client.getBalances({ tenant: 'acme' });
    assert.equal(data.balances.find(({ remaining }) => remaining.unit === 'TOKENS').remaining.amount, 500);
    await client[Symbol.asyncDispose]();
  }
  for (const [wrong, says] of [
    ['budgets: [}', /line/],
    [{ budgets: { 'tenant:acme': 5 } }, /"\$5\.00".*tenant:acme/],
    [{ budgets: { acme: '$5.00' } }, /tenant:acme.*"acme"/],
    [{}, /no budgets/],
    [undefined, /no budgets/],
  ]) {
    assert.throws(() => CyclesClient.embedded(wrong), (error) => {
      assert.ok(error instanceof CyclesConfigError, inspect(error));
      assert.match(error.message, says);
      return true;
    });
  }
});

test('configuration is checked and the environment is read', (t) => {
  assert.throws(() => new CyclesClient({}), CyclesConfigError);
  assert.throws(() => new CyclesClient({ baseUrl: 'http://127.0.0.1:1', apiKey: 'k', readTimeout: Number.NaN }), (error) => error.name.startsWith('Cycles'));

  const variables = { T_BASE_URL: 'http://127.0.0.1:1', T_API_KEY: 'secret-key', T_TENANT: 'acme', T_CONNECT_TIMEOUT: '250', T_RETRY_ENABLED: 'false' };
  Object.assign(process.env, variables);
  t.after(() => Object.keys(variables).forEach((name) => delete process.env[name]));
  const config = CyclesConfig.fromEnv('T_');
  assert.equal(config.baseUrl, 'http://127.0.0.1:1');
  assert.equal(config.tenant, 'acme');
  assert.equal(config.connectTimeout, 250, 'milliseconds');
  assert.equal(config.retryEnabled, false);
  assert.ok(!inspect(config).includes('secret-key'));
  assert.ok(CyclesClient.fromEnv('T_') instanceof CyclesClient);

  process.env.T_CONNECT_TIMEOUT = 'soon';
  assert.throws(() => CyclesConfig.fromEnv('T_'), (error) => {
    assert.ok(error instanceof CyclesConfigError);
    assert.match(error.message, /T_CONNECT_TIMEOUT/);
    return true;
  });
  assert.throws(() => CyclesConfig.fromEnv('NOT_SET_'), CyclesConfigError);
});

test('flush reports what is still to be settled', async (t) => {
  const client = serverFor(t).client();
  assert.equal(await client.flush(1000), 0);
  assert.equal(await client.flushPendingCommits(), 0);
  await assert.rejects(client.flush(-1), CyclesValidationError);
});

test('two servers in one process are strangers', async (t) => {
  const [one, two] = [serverFor(t), serverFor(t)];
  assert.notEqual(one.baseUrl, two.baseUrl);
  await one.client().createReservation(request);
  assert.equal(one.count('create_reservation'), 1);
  assert.equal(two.count('create_reservation'), 0);
  assert.equal(one.budget('tenant:acme', 'TOKENS').reserved, 100);
  assert.equal(two.budget('tenant:acme', 'TOKENS').reserved, 0);
  assert.ok(one.adminKey);
});

test('settings for outages reach the core, and work may run unseen', async (t) => {
  const variables = {
    U_BASE_URL: 'http://127.0.0.1:1',
    U_API_KEY: 'k',
    U_SETTLEMENT: 'background',
    U_CALL_TIMEOUT_MS: '1500',
    U_ON_UNREACHABLE: 'allow_up_to:50:TOKENS',
    U_NESTED: 'inherit',
    U_JOURNAL_ENABLED: 'false',
    U_TENANT: 'acme',
  };
  Object.assign(process.env, variables);
  t.after(() => Object.keys(variables).forEach((name) => delete process.env[name]));
  const config = CyclesConfig.fromEnv('U_');
  assert.deepEqual(
    [config.settlement, config.callTimeout, config.onUnreachable, config.nested],
    ['background', 1500, 'allow_up_to:50:TOKENS', 'inherit'],
  );
  const client = new CyclesClient(config);
  t.after(() => client.close(0));
  let seen;
  const work = withCycles({ client, estimate: 40, unit: 'TOKENS' }, async () => {
    seen = getCyclesContext();
    return 'done';
  });
  assert.equal(await work(), 'done');
  assert.equal(seen.isUnseen, true);
  assert.equal(seen.settlement.outcome, 'queued');
  await assert.rejects(work(), /cannot be reached/);
  assert.throws(() => new CyclesClient({ baseUrl: 'http://h', apiKey: 'k', onUnreachable: 'sometimes' }), /onUnreachable/);
});

test('the key of a running client can be replaced', async (t) => {
  const server = serverFor(t);
  const client = server.client({ transport: 'http' });
  const ask = async () => (await client.createReservation(reservationCreateRequestToWire(request))).status;
  client.setApiKey('cyc_test_nobody');
  assert.equal(await ask(), 401);
  client.setApiKey(server.apiKey());
  assert.equal(await ask(), 200);
  for (const wrong of ['', 'two\nlines']) assert.throws(() => client.setApiKey(wrong), CyclesConfigError);
  assert.equal(await ask(), 200, 'the former key stays');
});
