import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import * as esm from 'runcycles';
import * as esmTesting from 'runcycles/testing';

const require = createRequire(import.meta.url);
const cjs = require('runcycles');
const root = fileURLToPath(new URL('..', import.meta.url));

const SEED = JSON.stringify({
  keys: [{ name: 'default', secret: 'cyc_test_acme', tenant_id: 'acme' }],
  budgets: [{ scope: 'tenant:acme', unit: 'TOKENS', allocated: 100 }],
});
const OPTIONS = "{ client, tenant: 'acme', unit: 'TOKENS', estimate: 10 }";

test('both module systems see the same names and the very same classes', () => {
  const names = (module) => Object.keys(module).filter((name) => !['default', 'module.exports', '__esModule'].includes(name)).sort();
  assert.deepEqual(names(esm), names(cjs));
  for (const name of names(cjs)) assert.equal(esm[name], cjs[name], name);
  const error = new cjs.BudgetExceededError('m');
  assert.ok(error instanceof esm.BudgetExceededError && error instanceof esm.CyclesError);
  assert.equal(esmTesting.TestServer, require('runcycles/testing').TestServer);
});

test('the package itself sends, times, makes and prints nothing', () => {
  for (const name of readdirSync(`${root}src`)) {
    const source = readFileSync(`${root}src/${name}`, 'utf8');
    assert.doesNotMatch(source, /console\.|set(Timeout|Interval|Immediate)|fetch\(|random|node:(http|https|net|crypto|timers)/i, name);
  }
});

test('a missing addon is explained', () => {
  const { loadAddon } = require('../dist/native.js');
  assert.throws(() => loadAddon('plan9-mips-none', root), (error) => {
    assert.ok(error instanceof esm.CyclesInternalError);
    assert.match(error.message, /triple=plan9-mips-none package=@runcycles\/plan9-mips-none/);
    assert.ok(error.cause);
    return true;
  });
});

test('a TypeScript program type-checks against the package', { timeout: 120_000 }, () => {
  execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', `${root}test/types/tsconfig.json`], { stdio: 'inherit' });
});

/** Runs a program in a process of its own, which must end by itself and print `output`. */
function ends(program, output) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--input-type=commonjs', '-e', program], {
    cwd: root,
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.equal(signal, null, `still running: ${stdout}${stderr}`);
  assert.equal(status, 0, stderr);
  assert.equal(stdout.trim(), output);
  assert.equal(stderr, '');
}

test('the first example of the README does what it says', () => {
  const [, program] = /```js\n(.*?)```/s.exec(readFileSync(`${root}README.md`, 'utf8'));
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: root, encoding: 'utf8', timeout: 20_000 });
  const lines = stdout.trim().split('\n');
  assert.equal(lines.length, 8, stdout);
  assert.equal(lines[6], "{ text: 'echo: hello', tokens: 120 }");
  assert.match(lines[7], /^stopped: /);
});

test('a process ends by itself, and says nothing of its own', () => {
  ends(
    `const { CyclesClient, withCycles } = require('runcycles');
     const client = CyclesClient.embedded(${JSON.stringify(SEED)});
     withCycles(${OPTIONS}, () => 'done')().then(console.log);`,
    'done',
  );
});

test('a process ends by itself with a call under way, its lease alive', () => {
  ends(
    `const { CyclesClient, withCycles } = require('runcycles');
     const client = CyclesClient.embedded(${JSON.stringify(SEED)});
     withCycles({ ...${OPTIONS}, ttlMs: 1000 }, () => { console.log('running'); return new Promise(() => {}); })();`,
    'running',
  );
});

test('a process ends by itself with a settlement pending', () => {
  ends(
    `const { withCycles, getCyclesContext } = require('runcycles');
     const { TestServer } = require('runcycles/testing');
     const server = new TestServer(${JSON.stringify(SEED)});
     const client = server.client({ config: { retryFlushTimeout: 100 } });
     withCycles(${OPTIONS}, async () => { await server.shutdown(); return getCyclesContext(); })()
       .then((context) => console.log(context.settlement.outcome));`,
    'pending',
  );
});

test('process.exit is safe with calls in flight', () => {
  ends(
    `const { TestServer } = require('runcycles/testing');
     const client = new TestServer(${JSON.stringify(SEED)}).client();
     for (let i = 0; i < 50; i += 1) client.getBalances({ tenant: 'acme' });
     client.getBalances({ tenant: 'acme' }).then(() => { console.log('bye'); process.exit(0); });
     for (let i = 0; i < 50; i += 1) client.getBalances({ tenant: 'acme' });`,
    'bye',
  );
});

test('the package works in worker threads, also when they are terminated', { timeout: 60_000 }, async () => {
  const program = `
    const { parentPort } = require('node:worker_threads');
    const { CyclesClient, withCycles } = require(${JSON.stringify(root)});
    const client = CyclesClient.embedded(${JSON.stringify(SEED)});
    const call = withCycles(${OPTIONS}, () => 'done');
    call().then((result) => { parentPort.postMessage(result); setInterval(() => call().catch(() => {}), 1); });`;
  const results = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const worker = new Worker(program, { eval: true });
      const result = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      await worker.terminate();
      return result;
    }),
  );
  assert.deepEqual(results, ['done', 'done', 'done']);
});
