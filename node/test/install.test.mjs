// What users get: the packed packages, installed into an empty project.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { PLATFORMS, here } from '../scripts/platforms.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'runcycles-install-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function run(program, args) {
  return execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

const PROGRAM = `
const client = CyclesClient.embedded({ budgets: { 'tenant:acme': '100 TOKENS' } });
const call = withCycles({ client, unit: 'TOKENS', estimate: 60, actual: 50 }, async (name) => 'hello ' + name);
call('you').then(async (text) => {
  console.log(text);
  await call('you').catch((error) => console.log(error instanceof BudgetExceededError, error.code));
});`;

test('the packed packages hold what they should and work in an empty project', { timeout: 120_000 }, async (t) => {
  const packed = JSON.parse(run(process.execPath, [join(root, 'scripts/pack.mjs'), folder]));
  const [main, platform] = packed;
  const listed = readFileSync(new URL('support/package-files.txt', import.meta.url), 'utf8').trim().split('\n');
  assert.deepEqual(main.files, listed);
  assert.deepEqual(platform.files, ['LICENSE', 'README.md', 'package.json', `runcycles.${here()}.node`]);
  assert.equal(platform.name, `@runcycles/${here()}`);
  assert.ok(main.packedSize < 200_000, `${main.packedSize} bytes`);

  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'empty', private: true }));
  // Offline: nothing but the two files is needed, and no name of another platform is asked for.
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', main.file, platform.file]);
  const { optionalDependencies, scripts } = JSON.parse(readFileSync(join(folder, 'node_modules/runcycles/package.json'), 'utf8'));
  assert.deepEqual(Object.keys(optionalDependencies), Object.keys(PLATFORMS).map((name) => `@runcycles/${name}`));
  assert.equal(scripts, undefined, 'nothing runs at the installation');
  assert.ok(!readdirSync(join(folder, 'node_modules/runcycles')).some((name) => name.endsWith('.node')));

  const output = 'hello you\ntrue BUDGET_EXCEEDED\n';
  await t.test('from CommonJS', () => {
    writeFileSync(join(folder, 'a.cjs'), `const { CyclesClient, BudgetExceededError, withCycles } = require('runcycles');${PROGRAM}`);
    assert.equal(run(process.execPath, ['a.cjs']), output);
  });
  await t.test('from an ES module', () => {
    writeFileSync(join(folder, 'a.mjs'), `import { CyclesClient, BudgetExceededError, withCycles } from 'runcycles';${PROGRAM}`);
    assert.equal(run(process.execPath, ['a.mjs']), output);
  });
  await t.test('from TypeScript, with no types but ours', () => {
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
    writeFileSync(
      join(folder, 'a.mts'),
      `import { CyclesClient, BudgetExceededError, withCycles } from 'runcycles';\ndeclare const console: { log(...values: unknown[]): void };${PROGRAM.replace('(name)', '(name: string)')}`,
    );
    const options = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022', '--outDir', 'out', 'a.mts'];
    run(process.execPath, [tsc, ...options]);
    assert.equal(run(process.execPath, ['out/a.mjs']), output);
  });
  await t.test('without the addon it says what to do', () => {
    rmSync(join(folder, 'node_modules/@runcycles'), { recursive: true });
    assert.throws(
      () => run(process.execPath, ['a.cjs']),
      (error) => error.stderr.includes(`package=@runcycles/${here()}`) && error.stderr.includes('remove node_modules'),
    );
  });
});
