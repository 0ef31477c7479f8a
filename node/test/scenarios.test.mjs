import assert from 'node:assert/strict';
import { test } from 'node:test';

import { loadExceptions, loadScenarios, runScenario } from './support/scenario.mjs';

const scenarios = loadScenarios();
const exceptions = loadExceptions('node', scenarios.map((scenario) => scenario.id));

test('there are scenarios', () => assert.ok(scenarios.length > 0));

for (const scenario of scenarios) {
  for (const transport of ['http', 'local']) {
    const reason = exceptions.get(scenario.id);
    if (reason) console.log(`SKIP ${scenario.id}: ${reason}`);
    test(`${scenario.id} over ${transport}`, { skip: reason, timeout: 30_000 }, () => runScenario(scenario, transport));
  }
}
