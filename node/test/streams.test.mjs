import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';

import {
  BudgetExceededError, CyclesError, CyclesValidationError, StreamUsage, flushPendingCommits, getCyclesContext, reserveForStream, withCycles,
} from 'runcycles';
import { ManualClock } from 'runcycles/testing';

import { authority } from './support/authority.mjs';

const TRANSPORTS = ['http', 'local'];

async function collected(items) {
  const seen = [];
  for await (const item of items) seen.push(item);
  return seen;
}

for (const transport of TRANSPORTS) {
  describe(`reserveForStream over ${transport}`, () => {
    test('commits what it is told, once', async (t) => {
      const { options, budget } = authority(t, { transport });
      const stream = await reserveForStream({ ...options, ttlMs: 5000 });
      assert.ok(stream.reservationId);
      assert.deepEqual([stream.decision, stream.caps, stream.finalized], ['ALLOW', undefined, false]);
      assert.equal(budget().reserved, 100);
      await stream.commit(42, { tokensInput: 7, modelVersion: 'm-1' }, { ticket: 1 });
      assert.equal(stream.finalized, true);
      assert.deepEqual([budget().spent, budget().reserved], [42, 0]);
      await assert.rejects(stream.commit(1), (error) => error instanceof CyclesError && /settled already/.test(error.message));
      await stream.release('late');
      stream.dispose();
      assert.equal(budget().spent, 42);
      const { data } = await options.client.getReservation(stream.reservationId);
      assert.deepEqual(data.committedMetadata, { ticket: 1 });
    });

    test('the first terminal call wins', async (t) => {
      const { options, budget } = authority(t, { transport });
      const stream = await reserveForStream(options);
      const [committed] = await Promise.allSettled([stream.commit(10), stream.release('abort'), stream.commit(20)]);
      assert.equal(committed.status, 'fulfilled');
      assert.deepEqual([budget().spent, budget().reserved], [10, 0]);
    });

    test('release and dispose give everything back', async (t) => {
      const { options, budget, server } = authority(t, { transport });
      await (await reserveForStream(options)).release('client went away');
      assert.equal(budget().reserved, 0);
      const disposed = await reserveForStream(options);
      disposed.dispose();
      assert.equal(disposed.finalized, true);
      await assert.rejects(disposed.commit(1), CyclesError);
      await server.waitFor('release', 2);
      await (await reserveForStream(options))[Symbol.asyncDispose]();
      assert.deepEqual([budget().spent, budget().reserved], [0, 0]);
    });

    test('is denied with a typed error', async (t) => {
      const { options } = authority(t, { transport, allocated: 5 });
      await assert.rejects(reserveForStream(options), BudgetExceededError);
    });

    test('cuts a stream whose hold is used up, and pays for what has flowed', async (t) => {
      const { options, budget } = authority(t, { transport });
      const stream = await reserveForStream({ ...options, onLimit: 'cut' });
      let closed = false;
      async function* source() {
        try {
          for (let number = 0; ; number += 1) yield number;
        } finally {
          closed = true;
        }
      }
      const seen = await collected(stream.watch(source(), (_, usage) => usage.addOutputTokens(30)));
      assert.deepEqual(seen, [0, 1, 2, 3]);
      assert.equal(closed, true);
      assert.deepEqual([stream.isCut, stream.finalized, stream.settlement.outcome], [true, true, 'committed']);
      assert.deepEqual([budget().spent, budget().reserved], [120, 0]);
    });

    test('extends a stream as long as the budget lasts', async (t) => {
      const { options, budget } = authority(t, { transport, allocated: 250 });
      const stream = await reserveForStream({ ...options, onLimit: 'extend', extendBy: 100 });
      const endless = (function* () { for (;;) yield 'x'; })();
      const seen = await collected(stream.watch(endless, (_, usage) => usage.addOutputTokens(50)));
      assert.equal(stream.isCut, true);
      assert.ok(stream.limitError instanceof BudgetExceededError);
      assert.equal(stream.reservationIds.length, 2);
      assert.equal(budget().spent, seen.length * 50);
      assert.equal(budget().reserved, 0);
    });
  });
}

test('a cost function says what usage costs', async (t) => {
  const { options, budget } = authority(t, { unit: 'USD_MICROCENTS' });
  const cost = (usage) => usage.tokensInput * 2 + usage.tokensOutput * 5;
  const stream = await reserveForStream({ ...options, cost });
  stream.usage.addInputTokens(3);
  stream.usage.addOutputTokens(4);
  await stream.commit();
  assert.equal(budget().spent, 26);
  // One that fails does not lose the spend: the estimate is booked.
  for (const wrong of [() => { throw new Error('no price'); }, () => 1.5, () => undefined]) {
    const priced = await reserveForStream({ ...options, cost: wrong });
    priced.usage.addOutputTokens(1);
    await priced.commit();
  }
  assert.equal(budget().spent, 326);
});

test('usage that makes no sense is refused by name, and nothing is lost', async (t) => {
  const { options, budget } = authority(t);
  const stream = await reserveForStream(options);
  for (const wrong of [-1, 1.5, Number.NaN, 2 ** 60, '7', undefined, Promise.resolve(3)]) {
    assert.throws(() => stream.usage.addOutputTokens(wrong), CyclesValidationError);
    if (wrong !== undefined) await assert.rejects(stream.commit(wrong), CyclesValidationError);
  }
  assert.equal(stream.finalized, false, 'it can still be committed');
  await stream.commit(9);
  assert.equal(budget().spent, 9);
  assert.throws(() => new StreamUsage().setActualCost(0.1), /round it/);
  assert.throws(() => new StreamUsage().setActualCost(2 ** 60), /bigint/);
});

test('a stream that the authority refuses at the end says so', async (t) => {
  const { options, server } = authority(t);
  const stream = await reserveForStream(options);
  server.inject('commit', 'status', { status: 400, code: 'UNIT_MISMATCH' });
  await assert.rejects(stream.commit(5), (error) => error.code === 'UNIT_MISMATCH');
});

describe('a guarded generator', () => {
  for (const kind of ['async', 'sync']) {
    test(`${kind}: reserves before its first item and commits after its last`, async (t) => {
      const { options, server, budget } = authority(t);
      const body = {
        async: async function* (count) { for (let i = 0; i < count; i += 1) { getCyclesContext().usage.addOutputTokens(10); yield i; } return 'end'; },
        sync: function* (count) { for (let i = 0; i < count; i += 1) { getCyclesContext().usage.addOutputTokens(10); yield i; } return 'end'; },
      }[kind];
      const items = withCycles({ ...options, estimate: (count) => count * 20 }, body)(3);
      assert.equal(server.count('create_reservation'), 0, 'nothing is held before the first item is wanted');
      assert.deepEqual(await items.next(), { done: false, value: 0 });
      assert.equal(budget().reserved, 60);
      assert.deepEqual(await collected(items), [1, 2]);
      assert.deepEqual([budget().spent, budget().reserved], [30, 0]);
    });
  }

  test('passes values in and its result out', async (t) => {
    const { options } = authority(t);
    const items = withCycles(options, async function* () { return `got ${yield 'first'}`; })();
    await items.next();
    assert.deepEqual(await items.next('second'), { done: true, value: 'got second' });
    assert.deepEqual(await items.next(), { done: true, value: undefined });
  });

  test('is denied before it runs', async (t) => {
    const { options } = authority(t, { allocated: 5 });
    let ran = false;
    const items = withCycles(options, async function* () { ran = true; yield 1; })();
    await assert.rejects(items.next(), BudgetExceededError);
    assert.equal(ran, false);
    assert.equal((await items.next()).done, true);
  });

  test('that throws gives back what was not used, and throws the same object', async (t) => {
    const { options, budget } = authority(t);
    const boom = new Error('boom');
    const failing = (used) => withCycles(options, async function* () {
      if (used) { getCyclesContext().usage.addOutputTokens(used); yield 1; }
      throw boom;
    })();
    await assert.rejects(collected(failing(0)), (error) => error === boom);
    assert.deepEqual([budget().spent, budget().reserved], [0, 0]);
    await assert.rejects(collected(failing(25)), (error) => error === boom);
    assert.deepEqual([budget().spent, budget().reserved], [25, 0]);
  });

  test('that is given up pays for what has flowed and closes its source', async (t) => {
    const { options, budget } = authority(t);
    let closed = false;
    const call = withCycles(options, async function* () {
      try {
        for (;;) { getCyclesContext().usage.addOutputTokens(15); yield 1; }
      } finally {
        closed = true;
      }
    });
    for await (const _ of call()) break;
    assert.equal(closed, true);
    assert.deepEqual([budget().spent, budget().reserved], [15, 0]);
    await call().return();
    const items = call();
    await items.next();
    await items[Symbol.asyncDispose]();
    assert.deepEqual([budget().spent, budget().reserved], [30, 0]);
  });

  test('nests: guarded calls inside it see it', async (t) => {
    const { options, client } = authority(t);
    const inner = withCycles({ ...options, estimate: 1 }, () => getCyclesContext().parentReservationId);
    const items = withCycles(options, async function* () { yield [getCyclesContext().reservationId, await inner()]; })();
    const [[outer, parent]] = await collected(items);
    assert.equal(parent, outer);
    assert.equal(getCyclesContext(), undefined);
    assert.ok(client);
  });

  test('is cut at its limit', async (t) => {
    const { options, budget } = authority(t);
    const items = withCycles({ ...options, onLimit: 'cut' }, async function* () {
      for (;;) { getCyclesContext().usage.addOutputTokens(60); yield 'piece'; }
    })();
    assert.equal((await collected(items)).length, 2);
    assert.deepEqual([budget().spent, budget().reserved], [120, 0]);
  });
});

describe('a stream that a guarded function returns', () => {
  const pieces = () => new ReadableStream({
    start(controller) {
      for (const piece of ['a', 'b', 'c']) controller.enqueue(piece);
      controller.close();
    },
  });

  test('a web stream is settled at its end, not when it is returned', async (t) => {
    const { options, budget } = authority(t);
    const stream = await withCycles({ ...options, actual: 30 }, async () => pieces())();
    assert.ok(stream instanceof ReadableStream);
    assert.equal(budget().reserved, 100);
    assert.deepEqual(await collected(stream), ['a', 'b', 'c']);
    assert.deepEqual([budget().spent, budget().reserved], [30, 0]);
  });

  test('a web stream that is cancelled is settled and its source told, also while a read is pending', async (t) => {
    const { options, budget } = authority(t);
    for (const first of [undefined, 'piece']) {
      let told;
      const source = () => new ReadableStream({
        start: (controller) => first && controller.enqueue(first),
        cancel: (reason) => { told = reason; },
      });
      const stream = await withCycles({ ...options, actual: 7 }, source)();
      const reader = stream.getReader();
      if (first) await reader.read();
      const pending = reader.read();
      await reader.cancel('gone');
      assert.equal((await pending).done, true);
      assert.equal(told, 'gone');
      assert.equal(budget().reserved, 0);
    }
    assert.equal(budget().spent, 7, 'only the one of which something has flowed costs');
  });

  test('a web stream that fails is settled, with its own error', async (t) => {
    const { options, budget } = authority(t);
    const boom = new Error('boom');
    const stream = await withCycles(options, () => new ReadableStream({ pull: (controller) => controller.error(boom) }))();
    await assert.rejects(collected(stream), (error) => error === boom);
    assert.deepEqual([budget().spent, budget().reserved], [0, 0]);
  });

  test('a Node stream is settled at its end', async (t) => {
    const { options, budget } = authority(t);
    const call = withCycles({ ...options, cost: (usage) => usage.tokensOutput }, () => {
      const { usage } = getCyclesContext();
      return Readable.from((async function* () { for (const text of ['ab', 'cd']) { usage.addOutputTokens(11); yield text; } })());
    });
    const seen = [];
    await pipeline(await call(), async (source) => { for await (const piece of source) seen.push(piece); });
    assert.deepEqual(seen, ['ab', 'cd']);
    assert.deepEqual([budget().spent, budget().reserved], [22, 0]);
  });

  test('a Node stream that is destroyed or fails is settled, and its source destroyed', async (t) => {
    const { options, budget } = authority(t);
    const source = new Readable({ read() {} });
    source.push('piece');
    const stream = await withCycles({ ...options, actual: 12 }, () => source)();
    for await (const _ of stream) break;
    if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve));
    assert.equal(source.destroyed, true);
    assert.deepEqual([budget().spent, budget().reserved], [12, 0]);
    const boom = new Error('boom');
    const failing = await withCycles(options, () => new Readable({ read() { this.destroy(boom); } }))();
    await assert.rejects(collected(failing), (error) => error === boom);
    assert.equal(budget().reserved, 0);
  });

  test('an async generator object is settled at its end', async (t) => {
    const { options, budget } = authority(t);
    const items = await withCycles({ ...options, actual: 5 }, async () => (async function* () { yield 1; yield 2; })())();
    assert.deepEqual(await collected(items), [1, 2]);
    assert.equal(budget().spent, 5);
  });
});

test('a client of a reservation that is made for a stream may be the default one', async (t) => {
  const { options } = authority(t);
  await assert.rejects(reserveForStream({ ...options, estimate: undefined }), /needs an `estimate`/);
  await assert.rejects(reserveForStream({ ...options, estimate: 1.5 }), /estimate must be a whole number/);
  await assert.rejects(reserveForStream({ ...options, onLimit: 'explode' }), CyclesValidationError);
  await assert.rejects(reserveForStream({ ...options, cost: 5 }), /`cost` must be a function/);
  assert.throws(() => withCycles({ ...options, actual: 5 }, function* () {}), /pass `cost`/);
});

// sdk-behaviour 4.1 (6): every stream left a retry engine behind, until flushing overflowed the stack.
test('streams leave nothing behind, and flushing works after many', { timeout: 60_000 }, async (t) => {
  const { options } = authority(t, { allocated: 10_000_000, transport: 'local' });
  const stream = async () => {
    const handle = await reserveForStream({ ...options, estimate: 1 });
    await handle.commit(1);
  };
  for (let i = 0; i < 2000; i += 1) await stream();
  assert.equal(await flushPendingCommits(100), 0);
});

describe('under `cancel` a lost lease ends a stream that waits', () => {
  /** Its lease is lost two seconds from now. */
  async function leased(t, limits = {}) {
    const clock = new ManualClock();
    const { server, budget } = authority(t, { clock });
    const client = server.client({ config: { heartbeatPolicy: 'cancel' } });
    t.after(() => client.close(0));
    server.inject('extend', 'status', { status: 410, code: 'RESERVATION_EXPIRED' });
    // Work that never ends keeps no process alive.
    const timer = setTimeout(() => {}, 10_000);
    t.after(() => clearTimeout(timer));
    const stream = await reserveForStream({ client, unit: 'TOKENS', estimate: 100, ttlMs: 5000, ...limits });
    return { stream, clock, budget };
  }

  function counted(stream, source) {
    return stream.watch(source, (_, usage) => usage.addOutputTokens(10));
  }

  test('a generator', async (t) => {
    const { stream, clock, budget } = await leased(t);
    const { signal } = stream.context;
    async function* silent() {
      yield 'one';
      clock.advance(2000);
      await new Promise(() => {});
    }
    assert.deepEqual(await collected(counted(stream, silent())), ['one']);
    assert.equal(stream.isCut, true);
    assert.match(stream.limitError.message, /lease/);
    assert.equal(signal.reason, stream.limitError);
    assert.equal(budget().spent, 10, 'what flowed is paid for');
  });

  test('a web stream, whose source is cancelled', async (t) => {
    const { stream, clock } = await leased(t);
    const cancelled = new Promise((resolve) => {
      const source = new ReadableStream({
        start: (controller) => controller.enqueue('one'),
        pull: () => clock.advance(2000),
        cancel: resolve,
      }, { highWaterMark: 0 });
      void collected(counted(stream, source)).then((seen) => assert.deepEqual(seen, ['one']));
    });
    await cancelled;
  });

  test('a source that gives up with the signal', async (t) => {
    const { stream, clock } = await leased(t);
    async function* heeding() {
      yield 'one';
      clock.advance(2000);
      await new Promise((_, reject) => {
        stream.context.signal.addEventListener('abort', () => reject(stream.context.signal.reason));
      });
    }
    assert.deepEqual(await collected(counted(stream, heeding())), ['one']);
    assert.equal(stream.isCut, true);
  });
});
