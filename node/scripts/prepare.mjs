// Makes a checkout usable: `npm install ./node` runs it. What is there already is left alone.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { here } from './platforms.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const REPOSITORY = join(ROOT, '..');
const ADDON = join(ROOT, `runcycles.${here()}.node`);
const windows = process.platform === 'win32';

function run(program, args, cwd) {
  const { status, error } = spawnSync(program, args, { cwd, stdio: 'inherit', shell: windows });
  if (error?.code === 'ENOENT') throw new Error(`${program} is missing; runcycles is built from source here, which needs Rust 1.90 or newer`);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed`);
}

/** Where cargo puts the library, whatever the settings of this machine. */
function library() {
  const options = { cwd: REPOSITORY, encoding: 'utf8', maxBuffer: 1 << 28 };
  const { target_directory: target } = JSON.parse(execFileSync('cargo', ['metadata', '--format-version', '1', '--no-deps'], options));
  const file = windows ? 'runcycles_node.dll' : `libruncycles_node.${process.platform === 'darwin' ? 'dylib' : 'so'}`;
  return join(target, 'node-addon', file);
}

if (!existsSync(ADDON)) {
  run('cargo', ['build', '--locked', '--profile', 'node-addon', '--package', 'runcycles-node'], REPOSITORY);
  copyFileSync(library(), ADDON);
}
if (!existsSync(join(ROOT, 'dist', 'index.js'))) {
  if (!existsSync(join(ROOT, 'node_modules', 'typescript'))) run('npm', ['ci', '--ignore-scripts'], ROOT);
  run('npm', ['run', '--silent', 'build'], ROOT);
}
