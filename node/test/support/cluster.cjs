// Three workers that spend from one budget; see runtime.test.mjs.
const cluster = require('node:cluster');

const { CyclesClient, withCycles } = require('runcycles');

async function work() {
  const client = CyclesClient.fromEnv();
  const call = withCycles({ client, tenant: 'acme', unit: 'TOKENS', estimate: 10 }, () => 'done');
  await Promise.all([call(), call()]);
  await client.close();
  cluster.worker.disconnect();
}

function primary() {
  const { TestServer } = require('runcycles/testing');
  const server = new TestServer(JSON.parse(process.argv[2]));
  const env = { CYCLES_BASE_URL: server.baseUrl, CYCLES_API_KEY: server.apiKey(), CYCLES_JOURNAL_ENABLED: 'false' };
  let left = 3;
  for (let i = 0; i < left; i += 1) cluster.fork(env);
  cluster.on('exit', async (_, code) => {
    if (code !== 0) process.exitCode = 1;
    left -= 1;
    if (left > 0) return;
    console.log('spent', server.budget('tenant:acme', 'TOKENS').spent);
    await server.shutdown();
  });
}

if (cluster.isPrimary) primary();
else work();
