// An Express server that answers 402 once a customer's budget is used up.
import express from 'express';
import { BudgetExceededError, getCyclesContext, withCycles } from 'runcycles';

/** Stands in for the model. */
async function model(prompt, signal) {
  signal.throwIfAborted();
  return { text: `an answer to ${prompt}`, tokens: 60 };
}

export function createApp(client) {
  const ask = withCycles(
    {
      client,
      unit: 'TOKENS',
      estimate: 100,
      actual: (reply) => reply.tokens,
      actionKind: 'llm.completion',
      actionName: 'chat',
      tenant: 'acme',
      agent: (_, customer) => customer,
      signal: (_, __, signal) => signal, // a client that goes away ends the waiting
    },
    (prompt) => model(prompt, getCyclesContext().signal),
  );

  const app = express();
  app.use(express.json());
  app.post('/chat', async (request, response) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    response.json(await ask(request.body.prompt, request.get('x-customer'), gone.signal));
  });
  app.use((error, _request, response, next) => {
    if (!(error instanceof BudgetExceededError)) return next(error);
    if (error.retryAfterMs !== undefined) response.set('retry-after', String(Math.ceil(error.retryAfterMs / 1000)));
    response.status(402).json({ error: error.code, requestId: error.requestId });
  });
  return app;
}
