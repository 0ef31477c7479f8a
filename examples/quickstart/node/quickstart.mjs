import { BudgetExceededError, CyclesClient, withCycles } from 'runcycles';

const client = CyclesClient.embedded({ budgets: { 'tenant:acme': '1000 TOKENS' } });

const ask = withCycles(
  { client, unit: 'TOKENS', estimate: 600, actual: (reply) => reply.tokens },
  async (prompt) => ({ text: `an answer to ${prompt}`, tokens: 420 }), // your model call, and its cost
);

console.log((await ask('What is a budget?')).text);
try {
  await ask('And another one?');
} catch (error) {
  if (!(error instanceof BudgetExceededError)) throw error;
  console.log('denied before the model was called');
}
