// A process that spends, for tests that kill it (`../README.md`).
import { text } from 'node:stream/consumers';

import { CyclesClient, getCyclesContext, withCycles } from 'runcycles';

const [baseUrl, apiKey, journalDir, calls] = process.argv.slice(2);
const client = new CyclesClient({ baseUrl, apiKey, tenant: 'acme', journalDir, onUnreachable: 'allow', readTimeout: 60_000 });

const spend = withCycles({ estimate: 5, unit: 'TOKENS', actionKind: 'llm', actionName: 'm', client }, async () => {
  if (calls !== 'endless') return;
  console.log(JSON.stringify({ running: getCyclesContext().reservationId }));
  await new Promise(() => setInterval(() => {}, 60_000));
});

for (let i = 0; i < (calls === 'endless' ? 1 : Number(calls)); i += 1) await spend();
const left = await client.flush(60_000);
const { quarantined, lost } = client.journalStats();
console.log(JSON.stringify({ left, journal: { quarantined, lost } }));
await text(process.stdin);
