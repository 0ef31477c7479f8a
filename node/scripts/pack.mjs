// Packs what npm publishes: `node scripts/pack.mjs OUT [main] [PLATFORM]…`, by default `main` and the platform
// of this machine. A platform's addon, runcycles.PLATFORM.node, lies beside package.json.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { PLATFORMS, here } from './platforms.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { devDependencies, scripts, ...manifest } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** The package that users name, with all platforms' packages as optional dependencies. */
function main(folder) {
  if (!existsSync(join(ROOT, 'dist'))) throw new Error('dist is missing; run `npm run build` first');
  for (const name of ['dist', 'README.md']) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  const optionalDependencies = Object.fromEntries(Object.keys(PLATFORMS).map((name) => [`@runcycles/${name}`, manifest.version]));
  return { ...manifest, optionalDependencies };
}

/** One platform's addon. */
function platform(name, folder) {
  const { os, cpu, libc } = PLATFORMS[name] ?? fail(`no such platform: ${name}`);
  const file = `runcycles.${name}.node`;
  if (!existsSync(join(ROOT, file))) throw new Error(`${file} is missing; build the addon first`);
  cpSync(join(ROOT, file), join(folder, file));
  writeFileSync(join(folder, 'README.md'), `# @runcycles/${name}\n\nThe addon of \`runcycles\` for ${name}. Install \`runcycles\`.\n`);
  const { version, license, repository, engines } = manifest;
  const described = { description: `The addon of runcycles for ${name}`, license, repository, engines };
  return { name: `@runcycles/${name}`, version, ...described, main: file, files: [file], os: [os], cpu: [cpu], ...(libc && { libc: [libc] }) };
}

function fail(message) {
  throw new Error(message);
}

function pack(what, out) {
  const folder = mkdtempSync(join(tmpdir(), 'runcycles-pack-'));
  try {
    const described = what === 'main' ? main(folder) : platform(what, folder);
    cpSync(join(ROOT, '..', 'LICENSE'), join(folder, 'LICENSE'));
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(described, null, 2)}\n`);
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    const answer = execFileSync(npm, ['pack', '--json', '--pack-destination', out], { cwd: folder, encoding: 'utf8', shell: process.platform === 'win32' });
    const [{ filename, files, unpackedSize }] = [Object.values(JSON.parse(answer))[0]].flat();
    return { name: described.name, file: join(out, filename), files: files.map(({ path }) => path).sort(), unpackedSize, packedSize: statSync(join(out, filename)).size };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [out, ...named] = process.argv.slice(2);
if (out === undefined) throw new Error('usage: node scripts/pack.mjs OUT [main] [PLATFORM]…');
mkdirSync(out, { recursive: true });
process.stdout.write(`${JSON.stringify((named.length > 0 ? named : ['main', here()]).map((what) => pack(what, resolve(out))), null, 2)}\n`);
