import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import * as runcycles from 'runcycles';

const require = createRequire(import.meta.url);
const { ERROR_CLASSES, errorFromReport } = require('../dist/errors.js');
const { native, unwrap } = require('../dist/native.js');
const { toDocument } = require('../dist/document.js');

test('every kind of the core has a class of its own, exported under one base', () => {
  const samples = native.errorSamples();
  assert.ok(samples.length > 5);
  assert.deepEqual(samples.map((sample) => sample.kind).sort(), Object.keys(ERROR_CLASSES).sort());
  const classes = new Set();
  for (const sample of samples) {
    const error = errorFromReport(sample);
    assert.equal(error.constructor, ERROR_CLASSES[sample.kind], sample.kind);
    assert.equal(runcycles[error.name], error.constructor, `${error.name} is exported`);
    assert.ok(error instanceof runcycles.CyclesError && error instanceof Error);
    assert.equal(error.message, sample.message);
    for (const [field, name] of Object.entries({
      code: 'code', status: 'status', reasonCode: 'reason_code', requestId: 'request_id',
      traceId: 'trace_id', retryAfterMs: 'retry_after_ms',
    })) {
      // No answer is a status of its own.
      const none = field === 'status' && sample.kind === 'Transport' ? -1 : undefined;
      assert.equal(error[field], sample[name] ?? none, `${sample.kind} ${field}`);
    }
    assert.deepEqual(error.details, sample.details ?? undefined);
    classes.add(error.constructor);
  }
  assert.equal(classes.size, samples.length);
});

test('a kind of a newer core is still a CyclesError', () => {
  assert.equal(errorFromReport({ kind: 'FromTheFuture', message: 'm' }).constructor, runcycles.CyclesError);
});

// The panic is meant; where it happened is of no interest.
process.env.RUST_BACKTRACE = '0';

test('a panic in the core is an error and the process lives on', async () => {
  assert.throws(() => unwrap(native.panicForTest()), runcycles.CyclesInternalError);
  const answer = await native.panicForTestAsync();
  assert.throws(() => unwrap(answer), /asked for by a test/);
  assert.equal(unwrap(native.echoForTest('alive')), 'alive');
});

test('documents cross unchanged, integers exactly', () => {
  const cross = (value) => unwrap(native.echoForTest(toDocument(value)));
  const max = 2n ** 63n - 1n;
  for (const value of [null, true, 'ü𝄞', 0, -1, 1.5, 2 ** 31, 2 ** 32, 2 ** 52, -(2 ** 52), Number.MAX_SAFE_INTEGER, max, -max - 1n, [], {}]) {
    assert.deepEqual(cross(value), value);
  }
  assert.equal(cross(5n), 5, 'a bigint that is a safe integer comes back as a number');
  assert.deepEqual(cross({ a: undefined, when: new Date(0), __proto__x: 1 }), { when: '1970-01-01T00:00:00.000Z', __proto__x: 1 });
  for (const value of [() => {}, Symbol('s'), Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => cross({ value }), runcycles.CyclesValidationError);
  }
  assert.throws(() => unwrap(native.echoForTest(() => {})), runcycles.CyclesValidationError, 'the addon guards itself too');
});

test('the addon and the package are the same version', () => {
  assert.equal(native.version(), require('../package.json').version);
});

test('predicates follow the code', () => {
  const error = (code, status) => new runcycles.CyclesProtocolError('m', { code, status });
  assert.ok(error('LIMIT_EXCEEDED', 429).isRetryable());
  assert.ok(error(undefined, 503).isRetryable());
  assert.ok(!error('BUDGET_EXCEEDED', 409).isRetryable());
  assert.ok(error('IDEMPOTENCY_MISMATCH', 409).isIdempotencyMismatch());
  assert.equal(runcycles.errorCodeFromString('toString'), 'UNKNOWN');
  assert.ok(runcycles.isToolAllowed({ toolAllowlist: [] }, 'any'), 'an empty list restricts nothing');
  assert.ok(!runcycles.isToolAllowed({ toolAllowlist: ['a'], toolDenylist: ['a'] }, 'b'));
  assert.ok(!runcycles.isToolAllowed({ toolDenylist: ['a'] }, 'a'));
});
