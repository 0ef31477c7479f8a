import { CyclesClient, withCycles } from 'runcycles';

const client = CyclesClient.fromEnv();

const ask = withCycles(
  { client, estimate: 2_000_000, actual: (reply) => reply.cost }, // 2 cents, in USD_MICROCENTS
  async (prompt) => ({ text: `an answer to ${prompt}`, cost: 1_000_000 }), // your model call, and its cost
);

console.log((await ask('What is a budget?')).text);
