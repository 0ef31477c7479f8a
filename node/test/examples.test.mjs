// The examples of this package, as CI runs them.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { forTest } from 'runcycles/testing';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

/** What an example depends on, as its lock file says; once for each lock file. */
function installed(name) {
  const folder = join(examples, name, 'node');
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8');
  const stamp = join(folder, 'node_modules', '.installed-lock');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    execFileSync('npm', ['ci', '--ignore-scripts'], { cwd: folder, stdio: 'ignore' });
    writeFileSync(stamp, lock);
  }
  return folder;
}

test('stream: a generator and a stream of somebody else', () => {
  const output = execFileSync(process.execPath, [join(examples, 'stream/node/stream.mjs')], { encoding: 'utf8' });
  assert.deepEqual(output.trim().split('\n'), ['piece 1', 'piece 2', 'piece 3', 'piece 1', 'piece 2', 'cut: true, committed 16000']);
});

test('express: a customer without budget gets a 402', { timeout: 120_000 }, async (t) => {
  const { createApp } = await import(join(installed('express'), 'server.mjs'));
  const cycles = forTest(t, { budgets: { 'tenant:acme': '150 TOKENS' } });
  const server = createApp(cycles.client).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const ask = () =>
    fetch(`http://127.0.0.1:${server.address().port}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-customer': 'c-1' },
      body: '{"prompt":"hello"}',
    });
  assert.deepEqual(await (await ask()).json(), { text: 'an answer to hello', tokens: 60 });
  const denied = await ask();
  assert.equal(denied.status, 402);
  assert.equal((await denied.json()).error, 'BUDGET_EXCEEDED');
  assert.equal(cycles.budget().spent, 60);
});

test('nextjs: a route handler streams, and settles when the browser goes away', async (t) => {
  const cycles = forTest(t, { budgets: { 'tenant:acme': '230 TOKENS' } });
  const variables = { CYCLES_BASE_URL: cycles.server.baseUrl, CYCLES_API_KEY: cycles.server.apiKey(), CYCLES_TENANT: 'acme', CYCLES_JOURNAL_ENABLED: 'false' };
  Object.assign(process.env, variables);
  t.after(() => Object.keys(variables).forEach((name) => delete process.env[name]));
  const { POST } = await import(join(examples, 'nextjs/node/app/api/chat/route.mjs'));
  const ask = () => POST(new Request('http://localhost/api/chat', { method: 'POST', body: '{"prompt":"hello"}' }));
  assert.equal(await (await ask()).text(), 'an answer to hello ');
  assert.equal(cycles.budget().spent, 4);

  const reader = (await ask()).body.getReader();
  await reader.read();
  await reader.cancel();
  assert.deepEqual([cycles.budget().spent, cycles.budget().reserved], [5, 0]);

  for (let used = 0; used < 30; used += 4) await (await ask()).text();
  const denied = await ask();
  assert.equal(denied.status, 402);
  assert.deepEqual(await denied.json(), { error: 'BUDGET_EXCEEDED' });
});

/** Runs the tests of an example. */
function runnerOf(name, program, ...args) {
  const folder = installed(name);
  const options = { cwd: folder, encoding: 'utf8', env: { ...process.env, CI: 'true', NO_COLOR: '1' } };
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'node_modules', program), ...args], options);
  assert.equal(status, 0, stdout + stderr);
  return stdout + stderr;
}

test('vitest: the fixtures work in another test runner', { timeout: 120_000 }, () => {
  assert.match(runnerOf('vitest', 'vitest/vitest.mjs', 'run'), /3 passed/);
});

test('jest: the package works where every test file has globals of its own', { timeout: 120_000 }, () => {
  assert.match(runnerOf('jest', 'jest/bin/jest.js'), /6 passed/);
});
