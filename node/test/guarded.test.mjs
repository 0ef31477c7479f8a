import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';

import {
  BudgetExceededError,
  CyclesConfigError,
  CyclesProtocolError,
  CyclesValidationError,
  getCyclesContext,
  setDefaultClient,
  setDefaultConfig,
  withCycles,
} from 'runcycles';
import { ManualClock, TestServer } from 'runcycles/testing';

import { seed } from './support/seed.mjs';

/** One server and one client per test, on either side of the network. */
function authority(t, { allocated = 1000, unit = 'TOKENS', transport = 'http', clock } = {}) {
  const server = new TestServer(seed(allocated, unit), clock);
  const client = server.client({ transport });
  t.after(async () => {
    await client.close(0);
    await server.shutdown();
  });
  const options = { client, tenant: 'acme', unit, estimate: 100, actionKind: 'llm.completion', actionName: 'm' };
  return { server, client, options, budget: () => server.budget('tenant:acme', unit) };
}

for (const transport of ['http', 'local']) {
  describe(`a guarded call over ${transport}`, () => {
    test('commits what its function reports', async (t) => {
      const { options, budget } = authority(t, { transport });
      const ask = withCycles({ ...options, actual: (answer) => answer.tokens }, async (text) => ({ text, tokens: 60 }));
      assert.deepEqual(await ask('hello'), { text: 'hello', tokens: 60 });
      assert.equal(budget().spent, 60);
      assert.equal(budget().reserved, 0);
    });

    test('releases on a throw and throws the same object on', async (t) => {
      const { options, budget } = authority(t, { transport });
      const boom = new TypeError('boom');
      for (const fn of [() => { throw boom; }, async () => { throw boom; }]) {
        await assert.rejects(withCycles(options, fn), (error) => error === boom);
      }
      assert.equal(budget().spent, 0);
      assert.equal(budget().reserved, 0);
    });

    test('is denied with a typed error and its function never runs', async (t) => {
      const { options, budget } = authority(t, { transport, allocated: 99 });
      let ran = false;
      await assert.rejects(withCycles(options, () => { ran = true; })(), (error) => {
        assert.ok(error instanceof BudgetExceededError);
        assert.ok(error instanceof CyclesProtocolError);
        assert.equal(error.code, 'BUDGET_EXCEEDED');
        assert.equal(error.errorCode, 'BUDGET_EXCEEDED');
        assert.equal(error.status, 409);
        assert.equal(error.name, 'BudgetExceededError');
        assert.ok(error.isBudgetExceeded());
        assert.ok(error.requestId && error.traceId && error.message);
        assert.match(error.stack, /guarded\.test\.mjs/, 'the stack leads to the caller');
        return true;
      });
      assert.equal(ran, false);
      assert.equal(budget().remaining, 99);
    });
  });
}

test('options may be functions of the arguments', async (t) => {
  const { options, client } = authority(t);
  const call = withCycles(
    {
      ...options,
      estimate: (tokens) => tokens,
      actionKind: () => 'tool.search',
      actionName: async () => 'web',
      workflow: (_, workflow) => workflow,
      dimensions: { run: '7' },
      actionTags: ['a'],
      metadata: { ticket: 12 },
    },
    () => getCyclesContext().reservationId,
  );
  const id = await call(30, 'nightly');
  const { data } = await client.getReservation(id);
  assert.equal(data.reserved.amount, 30);
  assert.deepEqual(data.action, { kind: 'tool.search', name: 'web', tags: ['a'] });
  assert.equal(data.subject.workflow, 'nightly');
  assert.deepEqual(data.subject.dimensions, { run: '7' });
  assert.deepEqual(data.metadata, { ticket: 12 });
});

test('subject fields that a call does not set come from the configuration', async (t) => {
  const { server } = authority(t);
  const client = server.client({ config: { tenant: 'acme', agent: 'writer' } });
  const subjectOf = withCycles({ client, estimate: 1, unit: 'TOKENS', app: 'docs' }, async () => {
    return (await client.getReservation(getCyclesContext().reservationId)).data.subject;
  });
  assert.deepEqual(await subjectOf(), { tenant: 'acme', agent: 'writer', app: 'docs' });
});

test('neither ttl nor overage policy are sent unless set', async (t) => {
  const { options, server } = authority(t, { clock: new ManualClock() });
  const tenantDefaults = new TestServer(
    { ...seed(100), tenants: [{ tenant_id: 'acme', default_reservation_ttl_ms: 90_000, default_commit_overage_policy: 'REJECT' }] },
    new ManualClock(1_000_000),
  );
  t.after(() => tenantDefaults.shutdown());
  const client = tenantDefaults.client();
  const call = withCycles({ ...options, client, estimate: 10, actual: 20 }, () => getCyclesContext());
  const context = await call();
  assert.equal(context.expiresAtMs, 1_090_000);
  assert.equal(context.settlement.outcome, 'refused', 'REJECT holds, which is not what the SDK used to send');
  assert.equal(server.count('create_reservation'), 0);
});

test('the context reports usage and data with the commit', async (t) => {
  const { options, client } = authority(t);
  const context = await withCycles(options, () => {
    const current = getCyclesContext();
    current.metrics = { tokensInput: 5, tokensOutput: 7, modelVersion: 'm-1', custom: { camelCase: 1 } };
    current.commitMetadata = { invoiceId: 'i-1' };
    return current;
  })();
  assert.equal(context.decision, 'ALLOW');
  assert.equal(context.estimate, 100);
  assert.equal(context.unit, 'TOKENS');
  assert.deepEqual(context.affectedScopes, ['tenant:acme']);
  assert.equal(context.settlement.outcome, 'committed');
  assert.equal(context.settlement.error, undefined);
  assert.deepEqual((await client.getReservation(context.reservationId)).data.committedMetadata, { invoiceId: 'i-1' });
});

test('an `actual` that fails or makes no sense commits the estimate and says so', async (t) => {
  const { options, client, budget } = authority(t);
  const bad = [() => { throw new Error('no usage'); }, () => undefined, () => -1, () => 1.5, () => Number.NaN, async () => '7'];
  for (const actual of bad) {
    const context = await withCycles({ ...options, actual }, () => getCyclesContext())();
    const { data } = await client.getReservation(context.reservationId);
    assert.deepEqual(data.committedMetadata, { actual_source: 'estimate' });
  }
  assert.equal(budget().spent, bad.length * 100);
});

test('usage that cannot be reported does not cost the caller its result, and the spend is booked', async (t) => {
  const { options, budget } = authority(t);
  const reports = [
    { metrics: { tokensInput: 1.5 } },
    { metrics: { unknownMember: 1 } },
    { commitMetadata: { callback: () => {} } },
    { commitMetadata: 'not an object' },
  ];
  for (const report of reports) {
    const call = withCycles({ ...options, actual: 7 }, () => Object.assign(getCyclesContext(), report));
    assert.equal((await call()).settlement.outcome, 'committed', JSON.stringify(report));
  }
  assert.equal(budget().spent, reports.length * 7);
});

test('a dry run answers the decision and runs nothing', async (t) => {
  const { options, budget } = authority(t);
  let ran = false;
  const result = await withCycles({ ...options, dryRun: true }, () => { ran = true; })();
  assert.equal(result.decision, 'ALLOW');
  assert.deepEqual(result.affectedScopes, ['tenant:acme']);
  const denied = await withCycles({ ...options, estimate: 5000, dryRun: true }, () => { ran = true; })();
  assert.equal(denied.decision, 'DENY');
  assert.equal(denied.reasonCode, 'BUDGET_EXCEEDED');
  assert.equal(ran, false);
  assert.equal(budget().reserved, 0);
});

test('contexts nest and survive awaits and parallel calls', async (t) => {
  const { options } = authority(t);
  assert.equal(getCyclesContext(), undefined);
  const inner = withCycles({ ...options, estimate: 1 }, async () => {
    await Promise.resolve();
    return getCyclesContext().reservationId;
  });
  const outer = withCycles({ ...options, estimate: 2 }, async () => {
    const mine = getCyclesContext().reservationId;
    const [one, two] = await Promise.all([inner(), inner()]);
    assert.equal(getCyclesContext().reservationId, mine, 'the outer context is back');
    return [mine, one, two];
  });
  const ids = (await Promise.all([outer(), outer()])).flat();
  assert.equal(new Set(ids).size, 6);
  assert.equal(getCyclesContext(), undefined);
});

test('a wrapped method keeps its `this`', async (t) => {
  const { options } = authority(t);
  const agent = { name: 'writer', ask: withCycles(options, function () { return this.name; }) };
  assert.equal(await agent.ask(), 'writer');
});

test('a call longer than its time to live is kept alive', { timeout: 20_000 }, async (t) => {
  const clock = new ManualClock();
  const { options, server, client, budget } = authority(t, { clock });
  const call = withCycles({ ...options, ttlMs: 60_000, actual: 80 }, async () => {
    const context = getCyclesContext();
    for (let beat = 1; beat <= 4; beat += 1) {
      const before = context.expiresAtMs;
      // Due five seconds before the lease ends, which is a minute later with every beat.
      clock.advance(beat === 1 ? 28_000 : 30_000);
      clock.advance(beat === 1 ? 28_000 : 30_000);
      await server.waitFor('extend', beat);
      // The answer is on its way to the client; time stands until it is there, and the context follows it.
      while (context.expiresAtMs === before) await immediate();
    }
    return (await client.getReservation(context.reservationId)).data.status;
  });
  assert.equal(await call(), 'ACTIVE');
  assert.equal(budget().spent, 80);
});

test('what cannot work is refused before anything is reserved', async (t) => {
  const { options, server } = authority(t);
  const refused = [
    () => withCycles({ ...options, estimate: undefined }, () => {}),
    () => withCycles({ ...options, useEstimateIfActualNotProvided: false }, () => {}),
    () => withCycles(options, undefined),
    () => withCycles(options, Promise.resolve()),
    () => withCycles(undefined, () => {}),
    () => withCycles({ ...options, actual: 1 }, function* () {}),
    () => withCycles({ ...options, dryRun: true }, async function* () {}),
  ];
  for (const attempt of refused) assert.throws(attempt, CyclesValidationError);
  for (const estimate of [1.5, Number.NaN, 2 ** 60, -1, '100', 2n ** 63n, null]) {
    await assert.rejects(withCycles({ ...options, estimate }, () => {})(), CyclesValidationError, `estimate ${String(estimate)}`);
  }
  await assert.rejects(withCycles({ ...options, ttlMs: '5s' }, () => {})(), /expected i64 field=ttlMs$/);
  assert.throws(() => options.client.onNotification('not a function'), CyclesValidationError);
  for (const client of [{}, null, 'http://h', server]) {
    await assert.rejects(withCycles({ ...options, client }, () => {})(), /must be a CyclesClient/);
    if (client !== null) assert.throws(() => setDefaultClient(client), CyclesConfigError);
  }
  await assert.rejects(withCycles({ ...options, estimate: () => undefined }, () => {})(), /estimate must be a whole number.*value=undefined/);
  await assert.rejects(withCycles({ ...options, estimate: () => { throw new TypeError('mine'); } }, () => {})(), /mine/);
  await assert.rejects(withCycles({ ...options, agent: 'no spaces' }, () => {})(), CyclesValidationError);
  const cyclic = {};
  cyclic.self = cyclic;
  await assert.rejects(withCycles({ ...options, metadata: cyclic }, () => {})(), CyclesValidationError);
  assert.equal(server.count('create_reservation'), 0);
});

test('amounts beyond 2^53 - 1 are exact', async (t) => {
  const max = 2n ** 63n - 1n;
  const { options, client, budget } = authority(t, { allocated: max });
  const call = withCycles({ ...options, estimate: max - 1n, actual: max - 2n }, () => getCyclesContext());
  const context = await call();
  assert.equal(context.estimate, max - 1n);
  assert.equal(budget().spent, max - 2n);
  assert.equal(budget().remaining, 2);
  const { data } = await client.getReservation(context.reservationId);
  assert.equal(data.committed.amount, max - 2n);
  await withCycles({ ...options, estimate: 2 ** 40, overagePolicy: 'REJECT' }, () => {})().then(assert.fail, (error) => {
    assert.ok(error instanceof BudgetExceededError, `a safe integer above 32 bits stays an integer: ${error.message}`);
  });
});

test('the default client is used by calls that name none', async (t) => {
  t.after(() => setDefaultConfig(undefined));
  const { server, budget } = authority(t);
  const call = withCycles({ tenant: 'acme', unit: 'TOKENS', estimate: 5 }, () => 'done');
  await assert.rejects(call(), CyclesConfigError);

  const journalDir = mkdtempSync(join(tmpdir(), 'cycles-journal-'));
  t.after(() => rmSync(journalDir, { recursive: true, force: true }));
  setDefaultConfig({ baseUrl: server.baseUrl, apiKey: server.apiKey(), tenant: 'acme', journalDir });
  assert.equal(await call(), 'done');
  assert.equal(readdirSync(journalDir).length, 1, 'the spend was journalled before it was committed');
  setDefaultClient(server.client({ transport: 'local' }));
  assert.equal(await call(), 'done');
  assert.equal(budget().spent, 10);
});

test('the result is returned when the authority is gone at the commit', async (t) => {
  const { options, server } = authority(t);
  const context = await withCycles(options, async () => {
    await server.shutdown();
    return getCyclesContext();
  })();
  assert.equal(context.settlement.outcome, 'pending');
});

test('under `cancel` a lost lease aborts the signal and rejects the call', async (t) => {
  const clock = new ManualClock();
  const { server, budget } = authority(t, { clock });
  const client = server.client({ config: { tenant: 'acme', heartbeatPolicy: 'cancel' } });
  server.inject('extend', 'status', { status: 410, code: 'RESERVATION_EXPIRED' });
  let signal;
  const call = withCycles({ client, unit: 'TOKENS', estimate: 100, ttlMs: 5000 }, () => {
    ({ signal } = getCyclesContext());
    clock.advance(2000);
    return new Promise(() => {}); // work that would never notice
  });
  const timer = setTimeout(() => {}, 10_000);
  t.after(() => clearTimeout(timer));
  await assert.rejects(call(), (error) => error === signal.reason && /lease/.test(error.message));
  assert.equal(signal.aborted, true);
  assert.equal(budget().spent, 0);
  // A call that ends in time is not told, and its wait for the loss ends with it.
  assert.equal(await withCycles({ client, unit: 'TOKENS', estimate: 1 }, () => 'done')(), 'done');
  await client.close(0);
});
