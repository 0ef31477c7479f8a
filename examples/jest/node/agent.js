// The code under test: it knows nothing of tests.
const { withCycles } = require('runcycles');

exports.ask = withCycles(
  { unit: 'TOKENS', estimate: 100, actual: (reply) => reply.tokens },
  async (prompt) => ({ text: `an answer to ${prompt}`, tokens: 60 }),
);
