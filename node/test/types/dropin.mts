// A program as users of the TypeScript client 0.4 write it. It is only type-checked.
import {
  BudgetExceededError, CyclesClient, CyclesConfig, CyclesProtocolError, CyclesResponse, CyclesTransportError, Decision, ErrorCode,
  Unit, balanceResponseFromWire, commitRequestToWire, errorCodeFromString, flushPendingCommits, getCyclesContext, isAllowed,
  isRetryableErrorCode, isToolAllowed, reservationCreateRequestToWire, reservationCreateResponseFromWire, reserveForStream,
  setDefaultClient, setDefaultConfig, withCycles,
} from 'runcycles';
import type {
  Amount, Balance, Caps, CyclesContext, CyclesMetrics, DryRunResult, ReservationCreateRequest, StreamReservation,
  StreamReservationOptions, Subject, WithCyclesConfig,
} from 'runcycles';

const config = new CyclesConfig({ baseUrl: 'http://localhost:7878', apiKey: 'key', tenant: 'acme', retryMaxAttempts: 3 });
const client = new CyclesClient(config);
setDefaultClient(client);
setDefaultConfig(CyclesConfig.fromEnv('MY_'));
const timeout: number = client.config.connectTimeout + client.config.readTimeout;
const url: string = client.config.baseUrl;

// Requests by mapper, answers by mapper.
const request: ReservationCreateRequest = {
  idempotencyKey: 'k-1',
  subject: { tenant: 'acme', dimensions: { run: '7' } },
  action: { kind: 'llm.completion', name: 'm' },
  estimate: { unit: Unit.USD_MICROCENTS, amount: 1000 },
};
const response = await client.createReservation(reservationCreateRequestToWire(request));
if (response.isSuccess) {
  const parsed = reservationCreateResponseFromWire(response.body!);
  if (isAllowed(parsed.decision as Decision) && parsed.reservationId) {
    const commit = commitRequestToWire({ idempotencyKey: 'k-2', actual: { unit: 'USD_MICROCENTS', amount: 900 } });
    await client.commitReservation(parsed.reservationId, commit);
  }
} else if (response.isTransportError) {
  const lost: Error | undefined = response.transportError;
  void lost;
} else {
  const code = errorCodeFromString(response.getErrorResponse()?.error);
  if (code && isRetryableErrorCode(code)) void response.retryAfterMsHeader;
}
const id = response.getBodyAttribute('reservation_id') as string;
const raw: Record<string, unknown> = response.body ?? {};
const balances: Balance[] = balanceResponseFromWire((await client.getBalances({ tenant: 'acme' })).body!).balances;
await client.listReservations({ status: 'ACTIVE', limit: '10' });
const mocked: CyclesResponse = CyclesResponse.success(200, { decision: 'ALLOW' }, { 'x-request-id': 'r' });
CyclesResponse.httpError(409, 'denied', { error: 'BUDGET_EXCEEDED' });
CyclesResponse.transportError(new Error('gone'));

// Guarded functions.
const options: WithCyclesConfig<[string], string> = { estimate: (prompt) => prompt.length * 5, actual: (text) => text.length };
const ask: (prompt: string) => Promise<string> = withCycles({ ...options, client }, async (prompt: string) => prompt);
withCycles({ estimate: 1000, tenant: () => undefined, actionKind: () => undefined, client }, async () => 'result');
withCycles({ estimate: 1000, workspace: (r: { id: string }) => r.id, client }, async (r: { id: string }) => r.id);
withCycles({ estimate: 1000, actual: (text: string) => text.length * 5, client }, async (prompt: string) => `to: ${prompt}`);
// @ts-expect-error the estimate's arguments are the function's
withCycles({ estimate: (x: number) => x * 5, client }, async (prompt: string) => prompt);
// @ts-expect-error the actual's argument is the function's result
withCycles({ estimate: 1000, actual: (result: number) => result, client }, async (prompt: string) => prompt);

const context: CyclesContext | undefined = getCyclesContext();
if (context) {
  const caps: Caps | undefined = context.caps;
  if (caps && isToolAllowed(caps, 'search')) context.metrics = { tokensInput: 1, tokensOutput: 2, modelVersion: 'm' } satisfies CyclesMetrics;
  context.commitMetadata = { ticket: 1 };
}

// Streams.
const streamOptions: StreamReservationOptions = { client, estimate: 5000, unit: 'TOKENS', actionKind: 'llm', actionName: 'm', ttlMs: 60_000 };
const handle: StreamReservation = await reserveForStream(streamOptions);
try {
  if (!handle.finalized) await handle.commit(42, { tokensOutput: 10 }, { note: 'x' });
} catch (error) {
  await handle.release('stream failed');
  handle.dispose();
  if (error instanceof BudgetExceededError || error instanceof CyclesProtocolError) {
    const status: number = error.status;
    const code: string | undefined = error.errorCode;
    void [status, code, error.isRetryable(), error.details, error.reasonCode];
  } else if (error instanceof CyclesTransportError) void error.cause;
}
await flushPendingCommits(5000);

const subject: Subject = { agent: 'writer' };
const amount: Amount = { unit: 'TOKENS', amount: 1 };
const dry = (await withCycles({ estimate: 1, dryRun: true, client }, async () => 1)()) as DryRunResult;
void [timeout, url, id, raw, balances, mocked, ask, subject, amount, dry, ErrorCode.BUDGET_EXCEEDED];
