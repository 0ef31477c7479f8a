// A program as users write it. It is only type-checked.
import {
  BudgetExceededError,
  CyclesClient,
  CyclesConfig,
  getCyclesContext,
  isToolAllowed,
  reserveForStream,
  setDefaultClient,
  withCycles,
} from 'runcycles';
import type { Amount, CyclesContext, CyclesResponse, DryRunResult, ReservationCreateResponse } from 'runcycles';
import { ManualClock, TestServer, perTest } from 'runcycles/testing';

const client = new CyclesClient({ baseUrl: 'http://127.0.0.1:7878', apiKey: 'key', tenant: 'acme' });
setDefaultClient(client);
new CyclesClient(CyclesConfig.fromEnv());
CyclesClient.embedded({ budgets: [] }, { tenant: 'acme' });

const ask = withCycles(
  {
    client,
    estimate: (prompt: string) => prompt.length * 10,
    actual: (answer) => answer.tokens,
    actionKind: 'llm.completion',
    actionName: (prompt) => prompt,
    unit: 'TOKENS',
  },
  async (prompt: string) => ({ text: prompt, tokens: 3n }),
);
const answer: { text: string; tokens: bigint } = await ask('hello');

const decided: DryRunResult = await withCycles({ estimate: 1, dryRun: true }, () => answer.text)();
const plain: string = await withCycles({ estimate: 5 }, () => decided.decision)();

// @ts-expect-error the wrapped function keeps its parameters
await ask(1);
// @ts-expect-error an estimate is an integer, not text
withCycles({ estimate: '5' }, () => plain);
// @ts-expect-error options are spelled as documented
withCycles({ estimate: 5, ttl: 1 }, () => plain);

const context: CyclesContext | undefined = getCyclesContext();
if (context && isToolAllowed(context.caps, 'search')) context.metrics = { tokensInput: 1 };

const response: CyclesResponse<ReservationCreateResponse> = await client.createReservation({
  subject: { tenant: 'acme' },
  action: { kind: 'llm.completion', name: 'm' },
  estimate: { unit: 'TOKENS', amount: 1 },
});
const reserved: Amount | undefined = response.data?.reserved;
await client.createReservation({ idempotency_key: 'k', estimate: { unit: 'TOKENS', amount: 1 } });
await client.getBalances({ tenant: 'acme', includeChildren: true });

try {
  await ask('again');
} catch (error) {
  if (error instanceof BudgetExceededError) {
    const code: string | undefined = error.code;
    const wait: number | undefined = error.retryAfterMs;
    void [code, wait, reserved];
  }
}

const server = new TestServer('budgets: []', new ManualClock());
await server.waitFor('commit', 1);
// @ts-expect-error operations are the nine of the protocol
server.count('refund');

// Streams: a generator becomes an asynchronous one, other streams stay what they are.
const pieces = withCycles({ estimate: 5, cost: (usage) => usage.tokensOutput, onLimit: 'cut' }, async function* (count: number) {
  for (let i = 0; i < count; i += 1) yield String(i);
  return 'end';
});
for await (const piece of pieces(3)) {
  const text: string = piece;
  void text;
}
const handle = await reserveForStream({ estimate: 5, nested: 'inherit', onLimit: 'extend', extendBy: 10n });
const watched: AsyncIterableIterator<string> = handle.watch(['a', 'b'], (item, usage) => usage.addOutputTokens(item.length));
for await (const reservation of client.reservations({ status: 'ACTIVE' })) void reservation.reservationId;
const body: ReservationCreateResponse = response.orThrow();
void [watched, body];

const cycles = perTest({ beforeEach: (_: () => void) => {}, afterEach: (_: () => Promise<void>) => {} }, { budgets: { 'tenant:acme': '5 TOKENS' } });
const spent: number | bigint = cycles.budget().spent;
void spent;
