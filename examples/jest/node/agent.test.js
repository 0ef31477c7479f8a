const { BudgetExceededError } = require('runcycles');
const { perTest } = require('runcycles/testing');

const { ask } = require('./agent.js');

// An authority for each test; its client is the default one as long as the test runs.
for (const transport of ['http', 'local']) {
  describe(`an authority over ${transport}`, () => {
    const cycles = perTest({ beforeEach, afterEach }, { budgets: { 'tenant:acme': '150 TOKENS' }, clock: true, transport });

    test('an answer costs what it used', async () => {
      expect((await ask('hello')).text).toBe('an answer to hello');
      expect(cycles.budget().spent).toBe(60);
    });

    test('the agent stops when the budget is used up', async () => {
      await ask('hello');
      await expect(ask('once more')).rejects.toThrow(BudgetExceededError);
    });

    test('a commit whose answer is lost is charged once', async () => {
      cycles.server.inject('commit', 'drop_after');
      await ask('hello');
      cycles.clock.advance(500); // the first repeat is due within half a second
      await cycles.server.waitFor('commit', 2);
      expect(cycles.budget().spent).toBe(60);
    });
  });
}
