// A route handler of Next.js (app router): copy it to `app/api/chat/route.js`. It is plain Web API, so that
// CI calls it without Next.
import { CyclesClient, CyclesProtocolError, reserveForStream } from 'runcycles';

// `serverExternalPackages: ['runcycles']` in next.config.js: bundlers do not pack native addons.
export const runtime = 'nodejs';

let client;

/** Stands in for the model's stream. */
function model(prompt) {
  const words = `an answer to ${prompt}`.split(' ');
  return new ReadableStream({
    pull(controller) {
      const word = words.shift();
      if (word === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(`${word} `));
    },
  });
}

export async function POST(request) {
  client ??= CyclesClient.fromEnv(); // built once, with the first request
  const { prompt } = await request.json();
  try {
    const stream = await reserveForStream({
      client,
      unit: 'TOKENS',
      estimate: 200,
      onLimit: 'cut',
      actionKind: 'llm.completion',
      actionName: 'chat',
      signal: request.signal,
    });
    // Settled when the answer ends, fails, or when the browser goes away.
    return new Response(stream.watch(model(prompt), (_, usage) => usage.addOutputTokens(1)));
  } catch (error) {
    if (!(error instanceof CyclesProtocolError)) throw error;
    return Response.json({ error: error.code }, { status: error.isBudgetExceeded() ? 402 : 503 });
  }
}
