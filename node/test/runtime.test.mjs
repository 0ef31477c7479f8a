// What a package with a native core may do to the process that it runs in.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { authority } from './support/authority.mjs';
import { seed } from './support/seed.mjs';

const { native } = createRequire(import.meta.url)('../dist/native.js');
const root = fileURLToPath(new URL('..', import.meta.url));
const SEED = JSON.stringify(seed(100_000));

/** What a program in a process of its own prints, and that it ends by itself. */
function outcome(program, args = []) {
  const options = { cwd: root, encoding: 'utf8', timeout: 30_000 };
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...args, '--input-type=commonjs', '-e', program], options);
  assert.equal(signal, null, `still running: ${stdout}${stderr}`);
  assert.equal(status, 0, stderr);
  return { stdout, stderr };
}

// sdk-behaviour 4.1 (7): every commit without `actual` wrote a line to stdout.
test('nothing is written to stdout or stderr, whatever happens', () => {
  const { stdout, stderr } = outcome(`
    const { reserveForStream, withCycles } = require('runcycles');
    const { TestServer } = require('runcycles/testing');
    (async () => {
      const server = new TestServer(${SEED});
      const client = server.client({ config: { tenant: 'acme' } });
      const options = { client, unit: 'TOKENS', estimate: 10 };
      await withCycles(options, () => 'no actual')();
      await withCycles({ ...options, actual: () => { throw new Error('no usage'); } }, () => {})();
      await withCycles(options, () => { throw new Error('boom'); })().catch(() => {});
      await withCycles({ ...options, estimate: 1e9 }, () => {})().catch(() => {});
      await withCycles(options, () => withCycles(options, () => 'nested')())();
      server.inject('commit', 'status', { status: 400, code: 'UNIT_MISMATCH' });
      await withCycles(options, () => {})();
      server.inject('commit', 'drop_before');
      await withCycles(options, () => {})();
      await (await reserveForStream(options)).commit();
      await client.close();
      await server.shutdown();
    })();`);
  assert.deepEqual([stdout, stderr], ['', '']);
});

test('a process waits at its end for a settlement that is repeated', () => {
  const { stdout } = outcome(`
    const { withCycles } = require('runcycles');
    const { TestServer } = require('runcycles/testing');
    const server = new TestServer(${SEED});
    const client = server.client({ config: { tenant: 'acme' } });
    server.inject('commit', 'status', { status: 503 });
    process.on('exit', () => console.log('spent', server.budget('tenant:acme', 'TOKENS').spent));
    withCycles({ client, unit: 'TOKENS', estimate: 10 }, () => {})();`);
  assert.equal(stdout, 'spent 10\n');
});

test('a process waits at its end no longer than it was told', () => {
  const started = Date.now();
  outcome(`
    const { withCycles } = require('runcycles');
    const { TestServer } = require('runcycles/testing');
    const server = new TestServer(${SEED});
    const client = server.client({ config: { tenant: 'acme', retryFlushTimeout: 300 } });
    withCycles({ client, unit: 'TOKENS', estimate: 10 }, () => server.shutdown())();`);
  assert.ok(Date.now() - started < 8000, `${Date.now() - started} ms`);
});

test('cluster workers spend from one budget, and end', () => {
  const program = fileURLToPath(new URL('support/cluster.cjs', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, SEED], { encoding: 'utf8', timeout: 30_000 });
  assert.deepEqual([status, stdout, stderr], [0, 'spent 60\n', '']);
});

test('the package can be loaded again and again', () => {
  const { stdout } = outcome(`
    for (let i = 0; i < 20; i += 1) {
      for (const name of Object.keys(require.cache)) delete require.cache[name];
      const { CyclesClient } = require('runcycles');
      CyclesClient.embedded(${SEED});
    }
    console.log('loaded');`);
  assert.equal(stdout, 'loaded\n');
});

test('no call into the core holds the thread up, with a journal on disk and 32 in flight', { timeout: 60_000 }, async (t) => {
  const { server } = authority(t, { allocated: 10_000_000 });
  const journal = mkdtempSync(join(tmpdir(), 'cycles-journal-'));
  t.after(() => rmSync(journal, { recursive: true, force: true }));
  const { ok: client } = native.createClient({ base_url: server.baseUrl, api_key: server.apiKey(), tenant: 'acme', journal_dir: journal });
  const held = [];
  const timed = (call) => {
    const started = performance.now();
    const answer = call();
    held.push(performance.now() - started);
    return answer;
  };
  const worker = async () => {
    for (let i = 0; i < 40; i += 1) {
      const { ok: guard } = await timed(() => client.begin('{"estimate":{"unit":"TOKENS","amount":1}}'));
      await timed(() => guard.commit('{}'));
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
  assert.equal(server.budget('tenant:acme', 'TOKENS').spent, 1280);
  await client.close(1000);
  held.sort((a, b) => a - b);
  const p99 = held[Math.floor(held.length * 0.99)];
  assert.ok(p99 < 2, `p99 ${p99} ms`);
});

test('ten thousand calls leave no memory behind', { timeout: 120_000 }, () => {
  const { stdout } = outcome(
    `
    const { CyclesClient, reserveForStream, withCycles } = require('runcycles');
    const client = CyclesClient.embedded({ ...${SEED}, retention: undefined });
    const options = { client, tenant: 'acme', unit: 'TOKENS', estimate: 1, actual: 0 };
    const call = withCycles(options, () => {});
    const { actual, ...stream } = options;
    const round = async (count) => {
      for (let i = 0; i < count; i += 1) {
        await call();
        await (await reserveForStream(stream)).commit(0);
        if (i % 500 === 0) await new Promise(setImmediate);
      }
      for (let i = 0; i < 3; i += 1) { gc(); await new Promise(setImmediate); }
      return process.memoryUsage().heapUsed;
    };
    round(3000).then(async (before) => console.log(Math.round(((await round(5000)) - before) / 5000)));`,
    ['--expose-gc'],
  );
  // What the client in JavaScript left behind was ten times this.
  assert.ok(Number(stdout) < 50, `${stdout} bytes of heap a call`);
});
