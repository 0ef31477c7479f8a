// The code under test: it knows nothing of tests.
import { withCycles } from 'runcycles';

export const ask = withCycles(
  { unit: 'TOKENS', estimate: 100, actual: (reply) => reply.tokens },
  async (prompt) => ({ text: `an answer to ${prompt}`, tokens: 60 }),
);
