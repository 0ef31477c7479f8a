// A runaway agent: it would call its model forever. Its budget stops it.
//
//   CYCLES_BASE_URL=http://127.0.0.1:7878 CYCLES_API_KEY=… CYCLES_TENANT=acme node agent.mjs
import { setTimeout as sleep } from 'node:timers/promises';

import { BudgetExceededError, CyclesClient, setDefaultClient, withCycles } from 'runcycles';

const CENT = 1_000_000; // in USD_MICROCENTS

const client = CyclesClient.fromEnv();
setDefaultClient(client);

const think = withCycles(
  { estimate: CENT, actual: CENT, actionKind: 'llm.completion', actionName: 'pretend-model', agent: 'node' },
  async (step) => {
    await sleep(150); // where the model call would be
    return `thought ${step}`;
  },
);

let calls = 0;
try {
  for (;;) {
    const thought = await think(calls + 1);
    calls += 1;
    console.log(`node call ${calls}: ${thought}, $0.01`);
  }
} catch (error) {
  if (!(error instanceof BudgetExceededError)) throw error;
  console.log(`node denied after ${calls} calls: ${error.message}`);
}
await client.close();
console.log(JSON.stringify({ language: 'node', calls, denials: 1, spent_microcents: calls * CENT }));
