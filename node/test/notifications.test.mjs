import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { CyclesClient, CyclesProtocolError, ReservationExpiredError, withCycles } from 'runcycles';
import { ManualClock, TestServer } from 'runcycles/testing';

import { seed } from './support/seed.mjs';

function started(t) {
  const clock = new ManualClock();
  const server = new TestServer(seed(1000), clock);
  t.after(() => server.shutdown());
  return { clock, server };
}

function guarded(client, work, options = {}) {
  return withCycles({ client, tenant: 'acme', unit: 'TOKENS', estimate: 100, ...options }, work)();
}

/** Collects notifications; `next()` waits for the one that comes next. */
function collected(client, callback = () => {}) {
  const [told, waiting] = [[], []];
  client.onNotification((notification) => {
    const waiter = waiting.shift();
    if (waiter) waiter(notification);
    else told.push(notification);
    return callback(notification);
  });
  return () => (told.length > 0 ? Promise.resolve(told.shift()) : new Promise((resolve) => waiting.push(resolve)));
}

/** A weak listener keeps nothing alive, so a test that only waits for one must. */
async function alive(promise) {
  const timer = setTimeout(() => {}, 10_000);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

test('a lost lease is told while the work goes on', async (t) => {
  const { clock, server } = started(t);
  const client = server.client();
  const next = collected(client);
  server.inject('extend', 'status', { status: 410, code: 'RESERVATION_EXPIRED' });
  const [stopped, lost] = await alive(
    guarded(
      client,
      async () => {
        clock.advance(2000);
        return [await next(), await next()];
      },
      { ttlMs: 5000 },
    ),
  );
  assert.equal(stopped.kind, 'heartbeat_failure');
  assert.equal(stopped.disposition, 'stopped');
  assert.ok(stopped.error instanceof ReservationExpiredError);
  assert.equal(lost.disposition, 'lost');
  assert.equal(lost.error, undefined);
  assert.equal(lost.reservationId, stopped.reservationId);
  await client.close();
});

for (const [how, fail] of [
  ['throws', () => { throw new Error('a defect of the callback'); }],
  ['rejects', async () => { throw new Error('a defect of the callback'); }],
]) {
  test(`late settlements are told, and a callback that ${how} hears the next`, async (t) => {
    const { clock, server } = started(t);
    const client = server.client();
    const warnings = [];
    const warned = (warning) => warnings.push(warning);
    process.on('warning', warned);
    t.after(() => process.off('warning', warned));
    const next = collected(client, fail);
    server.inject('commit', 'status', { status: 503 });
    await guarded(client, () => undefined);
    const pending = await alive(next());
    assert.equal(pending.outcome, 'pending');
    assert.ok(pending.error instanceof CyclesProtocolError);
    clock.advance(500);
    assert.equal((await alive(next())).outcome, 'committed');
    await new Promise(setImmediate);
    assert.ok(warnings.some((warning) => warning.name === 'CyclesWarning'), String(warnings));
    await client.close();
  });
}

test('without a callback they can be taken', async (t) => {
  const { server } = started(t);
  const client = server.client();
  assert.deepEqual(client.notifications(), []);
  server.inject('commit', 'status', { status: 400 });
  await guarded(client, () => undefined);
  const [refused] = client.notifications();
  assert.deepEqual([refused.kind, refused.outcome], ['settlement', 'refused']);
  assert.deepEqual(client.notifications(), []);
});

test('the journal can be looked at', async (t) => {
  const { server } = started(t);
  const journalDir = mkdtempSync(join(tmpdir(), 'cycles-'));
  t.after(() => rmSync(journalDir, { recursive: true }));
  const client = new CyclesClient({ baseUrl: server.baseUrl, apiKey: server.apiKey(), journalDir });
  assert.deepEqual(client.journalStats(), { depth: 0, oldestAgeMs: null, quarantined: 0, lost: 0, degraded: null });
  server.inject('commit', 'status', { status: 401 });
  await guarded(client, () => undefined);
  assert.equal(client.journalStats().depth, 1);
  await client.close();
  assert.equal(new CyclesClient({ baseUrl: 'http://h', apiKey: 'k', journalEnabled: false }).journalStats(), undefined);
});

test('a listener does not keep the process alive', () => {
  const program = `
    const { CyclesClient } = require('runcycles');
    const client = CyclesClient.embedded({ tenants: [{ tenant_id: 'acme' }], keys: [{ name: 'k', secret: 's', tenant_id: 'acme' }] });
    client.onNotification(() => {});
    globalThis.kept = client;
    console.log('done');
  `;
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  const ran = spawnSync(process.execPath, ['-e', program], { cwd, encoding: 'utf8', timeout: 30_000 });
  assert.deepEqual([ran.status, ran.stdout, ran.stderr], [0, 'done\n', '']);
});
