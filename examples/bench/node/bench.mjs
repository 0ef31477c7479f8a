// What a guarded call costs in Node. See `cargo xtask bench`.
import { CyclesClient, withCycles } from 'runcycles';
import { TestServer } from 'runcycles/testing';

const RUNS = Number(process.env.BENCH_RUNS ?? 5);
const CALLS = Number(process.env.BENCH_CALLS ?? 1000);
const SEED = { budgets: { 'tenant:acme': '1_000_000_000 TOKENS' } };

/** p50 and p99 of each run; the first run only warms up. */
async function measure(client) {
  const guarded = withCycles({ client, tenant: 'acme', unit: 'TOKENS', estimate: 10 }, async () => {});
  const results = [];
  for (let run = 0; run <= RUNS; run += 1) {
    const times = [];
    for (let call = 0; call < CALLS; call += 1) {
      const start = performance.now();
      await guarded();
      times.push((performance.now() - start) * 1e3);
    }
    times.sort((a, b) => a - b);
    results.push({ p50_us: times[Math.floor(CALLS / 2)], p99_us: times[Math.floor(CALLS * 0.99)] });
  }
  return results.slice(1);
}

const local = CyclesClient.embedded(SEED);
const embedded = await measure(local);
await local.close();
const server = new TestServer(SEED);
const remote = server.client();
const http = await measure(remote);
await remote.close();
await server.shutdown();
console.log(JSON.stringify({ language: 'node', embedded, http }));
