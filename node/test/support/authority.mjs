import { TestServer } from 'runcycles/testing';

import { seed } from './seed.mjs';

/** One server and one client per test, on either side of the network. */
export function authority(t, { allocated = 1000, unit = 'TOKENS', transport = 'http', clock, config } = {}) {
  const server = new TestServer(seed(allocated, unit), clock);
  const client = server.client({ transport, config });
  t.after(async () => {
    await client.close(0);
    await server.shutdown();
  });
  const options = { client, tenant: 'acme', unit, estimate: 100, actionKind: 'llm.completion', actionName: 'm' };
  return { server, client, options, budget: () => server.budget('tenant:acme', unit) };
}

export const RESERVATION = {
  subject: { tenant: 'acme' },
  action: { kind: 'llm.completion', name: 'm' },
  estimate: { unit: 'TOKENS', amount: 10 },
};
