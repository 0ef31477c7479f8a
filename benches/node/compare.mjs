// Durable guarded calls, ours and the baseline's, against one server; see `cargo xtask bench node`.
// Usage: compare.mjs PROGRAM FOLDER RUNS. Every measurement has a process of its own; prints a line of JSON for each.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { CyclesClient, reserveForStream, withCycles } from '../../node/dist/index.mjs';
import { createBaseline } from './baseline.mjs';

const SEED = {
  tenants: [{ tenant_id: 'acme' }],
  keys: [{ name: 'default', secret: 'cyc_bench_acme', tenant_id: 'acme' }],
  budgets: [{ scope: 'tenant:acme', unit: 'TOKENS', allocated: 1_000_000_000_000 }],
};
const CALL = { unit: 'TOKENS', estimate: 10, tenant: 'acme', actionKind: 'llm.completion', actionName: 'bench' };
const STREAMS = 200_000;
/** Between two looks at the event loop. */
const INTERVAL_MS = 1;

function remote(journalSync) {
  return ({ baseUrl, apiKey, journalDir }) => {
    const client = new CyclesClient({ baseUrl, apiKey, tenant: 'acme', journalDir, journalSync });
    return withCycles({ ...CALL, client }, async () => {});
  };
}

const WAYS = {
  'fetch, file per record': (settings) => {
    const guarded = createBaseline({ ...settings, tenant: 'acme' });
    return () => guarded(10, async () => {});
  },
  'runcycles, journal=process': remote('process'),
  'runcycles, journal=power': remote('power'),
};

/** Calls a second, CPU a call, and the event loop's delay, with `inFlight` calls at a time. */
async function measure(call, inFlight, total) {
  const worker = async (count) => { for (let i = 0; i < count; i += 1) await call(); };
  const round = (count) => Promise.all(Array.from({ length: inFlight }, () => worker(Math.ceil(count / inFlight))));
  await round(total / 4);
  const delay = monitorEventLoopDelay({ resolution: INTERVAL_MS });
  delay.enable();
  const [cpu, started] = [process.cpuUsage(), performance.now()];
  await round(total);
  const [{ user, system }, took] = [process.cpuUsage(cpu), performance.now() - started];
  delay.disable();
  return {
    in_flight: inFlight,
    calls_per_second: Math.round((total / took) * 1000),
    cpu_us_per_call: Math.round((user + system) / total),
    // What is measured is the time between two turns, of which the interval was asked for.
    loop_delay_p99_ms: Number((delay.percentile(99) / 1e6 - INTERVAL_MS).toFixed(1)),
  };
}

async function inProcess() {
  const call = withCycles({ ...CALL, client: CyclesClient.embedded(SEED) }, async () => {});
  for (let i = 0; i < 20_000; i += 1) await call();
  const times = [];
  for (let i = 0; i < 20_000; i += 1) {
    const started = performance.now();
    await call();
    times.push((performance.now() - started) * 1000);
  }
  times.sort((a, b) => a - b);
  return { p50_us: Number(times[10_000].toFixed(1)), p99_us: Number(times[19_800].toFixed(1)) };
}

/** Bytes of heap that a stream leaves behind. */
async function heapOfStreams() {
  const client = CyclesClient.embedded(SEED);
  const round = async (count) => {
    for (let i = 0; i < count; i += 1) {
      await (await reserveForStream({ ...CALL, client })).commit(1);
      if (i % 1000 === 0) await new Promise(setImmediate);
    }
    for (let i = 0; i < 3; i += 1) {
      gc();
      await new Promise(setImmediate);
    }
    return process.memoryUsage().heapUsed;
  };
  const before = await round(STREAMS / 20);
  const after = await round(STREAMS);
  return { streams: STREAMS, heap_mb_before: before >> 20, heap_mb_after: after >> 20, heap_bytes_per_stream: Number(((after - before) / STREAMS).toFixed(2)) };
}

async function startServer(program, folder) {
  const seed = join(folder, 'seed.json');
  writeFileSync(seed, JSON.stringify(SEED));
  const server = spawn(program, ['serve', '--store', 'memory', '--listen', '127.0.0.1:0', '--seed', seed], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(createInterface(server.stdout), 'line');
  return { server, ready: JSON.parse(line) };
}

function alone(folder, ...task) {
  const journalDir = join(folder, 'journal');
  rmSync(journalDir, { recursive: true, force: true });
  const program = fileURLToPath(import.meta.url);
  const output = execFileSync(process.execPath, ['--expose-gc', program, '--task', journalDir, ...task], { encoding: 'utf8' });
  return JSON.parse(output);
}

async function task([journalDir, what, baseUrl, inFlight, total]) {
  if (what === 'in process') return inProcess();
  if (what === 'streams') return heapOfStreams();
  mkdirSync(journalDir, { recursive: true });
  return measure(WAYS[what]({ baseUrl, apiKey: 'cyc_bench_acme', journalDir }), Number(inFlight), Number(total));
}

function median(runs) {
  const middle = (name) => runs.map((run) => run[name]).sort((a, b) => a - b)[runs.length >> 1];
  return Object.fromEntries(Object.keys(runs[0]).map((name) => [name, middle(name)]));
}

async function main([program, folder, runs]) {
  mkdirSync(folder, { recursive: true });
  const { server, ready } = await startServer(program, folder);
  const say = (row) => console.log(JSON.stringify(row));
  try {
    for (const inFlight of [1, 32]) {
      for (const way of Object.keys(WAYS)) {
        const total = way.startsWith('fetch') ? 2000 : 8000;
        const results = Array.from({ length: Number(runs) }, () => alone(folder, way, ready.base_url, String(inFlight), String(total)));
        say({ way, ...median(results) });
      }
    }
    say({ way: 'in process', ...median(Array.from({ length: Number(runs) }, () => alone(folder, 'in process'))) });
    say({ way: 'streams', ...alone(folder, 'streams') });
  } finally {
    server.kill('SIGTERM');
  }
}

if (process.argv[2] === '--task') {
  console.log(JSON.stringify(await task(process.argv.slice(3))));
  process.exit(0);
} else {
  await main(process.argv.slice(2));
}
