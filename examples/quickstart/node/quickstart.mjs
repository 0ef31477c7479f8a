import { BudgetExceededError, CyclesClient, withCycles } from 'runcycles';

const client = CyclesClient.embedded({
  keys: [{ name: 'default', secret: 'cyc_test_acme', tenant_id: 'acme' }],
  budgets: [{ scope: 'tenant:acme', unit: 'TOKENS', allocated: 1000 }],
});

const ask = withCycles(
  { client, tenant: 'acme', unit: 'TOKENS', estimate: 600, actual: (reply) => reply.tokens },
  async (prompt) => ({ text: `an answer to ${prompt}`, tokens: 420 }), // your model call, and its cost
);

console.log((await ask('What is a budget?')).text);
try {
  await ask('And another one?');
} catch (error) {
  if (!(error instanceof BudgetExceededError)) throw error;
  console.log('denied before the model was called');
}
