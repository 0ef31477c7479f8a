// What programs written for the TypeScript client 0.4 use, by name and by default.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as runcycles from 'runcycles';
import { CyclesClient, CyclesConfig, CyclesConfigError, CyclesProtocolError, CyclesResponse, CyclesTransportError } from 'runcycles';

import { RESERVATION, authority } from './support/authority.mjs';
import { seed } from './support/seed.mjs';

const EXPORTS = `
  CyclesClient CyclesConfig withCycles setDefaultClient setDefaultConfig reserveForStream getCyclesContext CyclesResponse
  flushPendingCommits CyclesError CyclesProtocolError CyclesTransportError BudgetExceededError DebtOutstandingError
  OverdraftLimitExceededError ReservationExpiredError ReservationFinalizedError TenantClosedError Unit Decision
  CommitOveragePolicy ReservationStatus CommitStatus ReleaseStatus ExtendStatus EventStatus ErrorCode isAllowed isDenied
  isRetryableErrorCode errorCodeFromString isToolAllowed isMetricsEmpty metricsToWire reservationCreateRequestToWire
  commitRequestToWire releaseRequestToWire reservationExtendRequestToWire decisionRequestToWire eventCreateRequestToWire
  capsFromWire reservationCreateResponseFromWire commitResponseFromWire releaseResponseFromWire
  reservationExtendResponseFromWire decisionResponseFromWire eventCreateResponseFromWire reservationDetailFromWire
  reservationSummaryFromWire reservationListResponseFromWire balanceResponseFromWire errorResponseFromWire`;

test('every export is there', () => {
  const names = EXPORTS.trim().split(/\s+/);
  assert.deepEqual(names.filter((name) => runcycles[name] === undefined), []);
  const { ErrorCode, Unit } = runcycles;
  assert.equal(Object.keys(ErrorCode).length, 18);
  for (const enumeration of [ErrorCode, Unit, runcycles.Decision]) {
    for (const [name, value] of Object.entries(enumeration)) assert.equal(name, value);
  }
});

test('a configuration has the defaults', () => {
  const config = new CyclesConfig({ baseUrl: 'http://h', apiKey: 'k', tenant: 'acme' });
  assert.deepEqual(
    [config.connectTimeout, config.readTimeout, config.retryEnabled, config.retryMaxAttempts, config.retryInitialDelay],
    [2000, 5000, true, 5, 500],
  );
  assert.deepEqual([config.retryMultiplier, config.retryMaxDelay, config.retryFlushTimeout], [2, 30_000, 10_000]);
  assert.deepEqual([config.baseUrl, config.apiKey, config.tenant, config.agent], ['http://h', 'k', 'acme', undefined]);
  assert.deepEqual([config.journalEnabled, config.journalDir], [true, undefined]);
  assert.equal(new CyclesClient(config).config, config);
  assert.doesNotMatch(JSON.stringify(config), /"k"/, 'the key stays out of logs');
});

test('a client says its settings, whatever it was made of', async (t) => {
  const { server } = authority(t);
  const client = server.client({ config: { tenant: 'acme', readTimeout: 700 } });
  assert.equal(client.config.baseUrl, server.baseUrl);
  assert.equal(client.config.apiKey, server.apiKey());
  assert.deepEqual([client.config.tenant, client.config.readTimeout, client.config.connectTimeout], ['acme', 700, 2000]);
  assert.equal(CyclesClient.embedded(seed(1), { agent: 'a' }).config.agent, 'a');
});

// sdk-behaviour 4.1 (17): NaN attempts retried never, NaN times failed every call.
test('values that do not parse are errors that name the variable or the setting', () => {
  const wrong = {
    RETRY_MAX_ATTEMPTS: 'abc', CONNECT_TIMEOUT: '2s', READ_TIMEOUT: 'NaN', RETRY_MULTIPLIER: 'x', RETRY_FLUSH_TIMEOUT: '-1',
    JOURNAL_ENABLED: 'perhaps', RETRY_ENABLED: 'no way',
  };
  for (const [name, value] of Object.entries(wrong)) {
    Object.assign(process.env, { W_BASE_URL: 'http://h', W_API_KEY: 'k', [`W_${name}`]: value });
    assert.throws(() => CyclesConfig.fromEnv('W_'), (error) => error instanceof CyclesConfigError && error.message.includes(`W_${name}`));
    delete process.env[`W_${name}`];
  }
  assert.equal(CyclesConfig.fromEnv('W_').retryMaxAttempts, 5);
  const settings = [
    { connectTimeout: Number.NaN }, { readTimeout: Infinity }, { retryMaxAttempts: 1.5 }, { retryInitialDelay: -1 },
    { retryFlushTimeout: 0.5 }, { readTimeout: '5000' }, { retryEnabled: 'yes' }, { tenant: 7 },
  ];
  for (const setting of settings) {
    const [name] = Object.keys(setting);
    assert.throws(
      () => new CyclesConfig({ baseUrl: 'http://h', apiKey: 'k', ...setting }),
      (error) => error instanceof CyclesConfigError && error.message.includes(name),
      JSON.stringify(setting),
    );
  }
  for (const nothing of [undefined, null, 'http://h', 7]) assert.throws(() => new CyclesClient(nothing), CyclesConfigError);
});

test('responses are what they were', async (t) => {
  const { client } = authority(t);
  const created = await client.createReservation({ idempotency_key: 'k-1', ...RESERVATION });
  assert.equal(created.getBodyAttribute('decision'), 'ALLOW');
  assert.equal(created.getBodyAttribute('nothing'), undefined);
  assert.equal(created.body.reservation_id, created.data.reservationId);
  assert.equal(created.headers['x-request-id'], created.requestId);
  assert.equal(created.cyclesTenant, 'acme');

  const denied = await client.createReservation({ ...RESERVATION, estimate: { unit: 'TOKENS', amount: 10_000 } });
  assert.deepEqual([denied.isSuccess, denied.isClientError, denied.isServerError], [false, true, false]);
  assert.equal(denied.errorMessage, denied.body.message);
  assert.equal(denied.getErrorResponse().error, 'BUDGET_EXCEEDED');
  assert.throws(() => denied.orThrow(), runcycles.BudgetExceededError);
  assert.equal(denied.error.requestId, denied.requestId);
});

test('responses can be made, for tests that stand in for a server', () => {
  const success = CyclesResponse.success(200, { decision: 'ALLOW', affected_scopes: [] }, { 'x-request-id': 'r-1' });
  assert.deepEqual([success.isSuccess, success.requestId, success.data.affectedScopes], [true, 'r-1', []]);
  const refused = CyclesResponse.httpError(429, 'slow down', undefined, { 'retry-after': '2' });
  assert.deepEqual([refused.isClientError, refused.errorMessage, refused.retryAfterMsHeader], [true, 'slow down', 2000]);
  assert.ok(refused.error instanceof CyclesProtocolError);
  const lost = CyclesResponse.transportError(new Error('gone'));
  assert.deepEqual([lost.status, lost.isTransportError, lost.isServerError, lost.errorMessage], [-1, true, false, 'gone']);
  assert.ok(lost.error instanceof CyclesTransportError);
  assert.equal(lost.error.cause, lost.transportError);
});

test('errors can be made with the fields that they had', () => {
  const error = new runcycles.BudgetExceededError('m', { status: 409, errorCode: 'BUDGET_EXCEEDED', retryAfterMs: 5, details: { a: 1 } });
  assert.deepEqual([error.status, error.errorCode, error.code, error.retryAfterMs, error.name], [409, 'BUDGET_EXCEEDED', 'BUDGET_EXCEEDED', 5, 'BudgetExceededError']);
  assert.ok(error.isBudgetExceeded() && !error.isRetryable());
  assert.equal(new CyclesProtocolError('m').status, 0);
});

test('free functions are what they were', () => {
  assert.equal(runcycles.errorCodeFromString(undefined), undefined);
  assert.equal(runcycles.errorCodeFromString('NEWER'), 'UNKNOWN');
  assert.equal(runcycles.errorCodeFromString('toString'), 'UNKNOWN');
  assert.equal(runcycles.errorCodeFromString('NOT_FOUND'), 'NOT_FOUND');
  assert.ok(runcycles.isRetryableErrorCode('LIMIT_EXCEEDED') && !runcycles.isRetryableErrorCode('FORBIDDEN'));
  assert.ok(runcycles.isAllowed('ALLOW_WITH_CAPS') && runcycles.isDenied('DENY'));
  assert.ok(runcycles.isToolAllowed({ toolAllowlist: [] }, 'any') && !runcycles.isToolAllowed({ toolAllowlist: ['a'] }, 'b'));
  assert.ok(!runcycles.isToolAllowed({ toolDenylist: ['b'] }, 'b'));
  assert.ok(runcycles.isMetricsEmpty({}) && !runcycles.isMetricsEmpty({ tokensInput: 0 }));
});

test('mappers leave numbers numbers, so that their documents can be sent by anybody', () => {
  const request = {
    idempotencyKey: 'k', subject: { tenant: 'acme', dimensions: { camelCase: 'x' } }, action: { kind: 'k', name: 'n' },
    estimate: { unit: 'USD_MICROCENTS', amount: 5_000_000_000 }, ttlMs: 1000, dryRun: true, metadata: { camelCase: 1 },
  };
  assert.equal(
    JSON.stringify(runcycles.reservationCreateRequestToWire(request)),
    '{"idempotency_key":"k","subject":{"tenant":"acme","dimensions":{"camelCase":"x"}},"action":{"kind":"k","name":"n"},' +
      '"estimate":{"unit":"USD_MICROCENTS","amount":5000000000},"ttl_ms":1000,"dry_run":true,"metadata":{"camelCase":1}}',
  );
  assert.deepEqual(runcycles.metricsToWire({ tokensInput: 1, latencyMs: 2, custom: { modelVersion: 3 } }), {
    tokens_input: 1, latency_ms: 2, custom: { modelVersion: 3 },
  });
  assert.deepEqual(runcycles.reservationCreateResponseFromWire({ decision: 'DENY', reason_code: 'X' }), {
    decision: 'DENY', reasonCode: 'X', affectedScopes: [],
  });
  assert.equal(runcycles.capsFromWire(undefined), undefined);
  assert.equal(runcycles.errorResponseFromWire({ error: 'X' }), undefined);
  assert.equal(runcycles.errorResponseFromWire({ error: 'X', message: 'm', request_id: 'r' }).requestId, 'r');
});

// sdk-behaviour 4.1 (18): one field that a newer server adds made every answer ambiguous.
test('fields that a newer authority adds are tolerated', async (t) => {
  const { server, options, budget } = authority(t);
  const created = {
    decision: 'ALLOW', reservation_id: 'rsv_new', affected_scopes: ['tenant:acme'], expires_at_ms: 4_000_000_000_000,
    remaining_ttl_ms: 60_000, deny_detail: null, observe_mode: { risk_class: 'low' },
  };
  server.inject('create_reservation', 'malformed', { body: JSON.stringify(created) });
  server.inject('commit', 'status', { status: 503 });
  let seen;
  const answer = await runcycles.withCycles(options, () => {
    seen = runcycles.getCyclesContext();
    return 'an answer';
  })();
  assert.equal(answer, 'an answer');
  assert.equal(seen.reservationId, 'rsv_new');
  assert.equal(server.count('create_reservation'), 1, 'asked once: the answer was clear');

  const committed = { status: 'COMMITTED', charged: { unit: 'TOKENS', amount: 100 }, newer: 1 };
  server.inject('commit', 'malformed', { body: JSON.stringify(committed) });
  const context = await runcycles.withCycles(options, () => runcycles.getCyclesContext())();
  assert.equal(context.settlement.outcome, 'committed');
  assert.equal(budget().spent, 100);
});
