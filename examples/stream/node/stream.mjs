// A model's answer arrives in pieces; what it costs is known when it has ended.
import { CyclesClient, getCyclesContext, reserveForStream, withCycles } from 'runcycles';

const client = CyclesClient.embedded({ budgets: { 'tenant:acme': '$0.001' } });

/** Stands in for the model's own stream. */
async function* model() {
  for (let piece = 1; piece <= 3; piece += 1) yield { text: `piece ${piece}`, tokens: 8 };
}

// A generator that is guarded: it reserves before its first piece, and settles however it ends.
const answer = withCycles(
  {
    client,
    estimate: 20_000,
    cost: (usage) => usage.tokensInput * 250 + usage.tokensOutput * 1000,
    onLimit: 'extend',
  },
  async function* (prompt) {
    const { usage } = getCyclesContext();
    usage.addInputTokens(prompt.length);
    for await (const { text, tokens } of model()) {
      usage.addOutputTokens(tokens);
      yield text;
    }
  },
);
for await (const piece of answer('What is a budget, and who sets it? Be brief')) console.log(piece);

// The same by hand, for a stream that somebody else makes.
const stream = await reserveForStream({ client, estimate: 10_000, cost: (usage) => usage.tokensOutput * 1000, onLimit: 'cut' });
const pieces = stream.watch(model(), ({ tokens }, usage) => usage.addOutputTokens(tokens));
for await (const { text } of pieces) console.log(text);
console.log(`cut: ${stream.isCut}, committed ${stream.settlement.response.charged.amount}`);
