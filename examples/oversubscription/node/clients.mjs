// Clients that draw from one budget until it refuses them (`../README.md`).
import assert from 'node:assert/strict';
import { once } from 'node:events';

import { CyclesClient } from 'runcycles';

const clients = Number(process.env.CLIENTS);

/** The answer, which must be a success. */
function body(response) {
  assert.ok(response.isSuccess, `${response.status} ${response.errorMessage}`);
  return response.body;
}

/** Draws until refused; answers what was charged, left open and refused. */
async function draw(number) {
  const client = CyclesClient.fromEnv();
  let [charged, open] = [0, 0];
  for (let call = 0; ; call += 1) {
    const amount = 1 + ((number * 7 + call * 13) % 97);
    const answer = await client.createReservation({
      subject: { tenant: 'acme' },
      action: { kind: 'test', name: 'oversubscription' },
      estimate: { unit: 'TOKENS', amount },
    });
    if (answer.status === 409) {
      await client.close();
      return { charged, open, refused: 1 };
    }
    const reservation = body(answer).reservation_id;
    if (call % 5 === 0) {
      open += amount;
    } else if (call % 5 === 1) {
      body(await client.releaseReservation(reservation));
    } else {
      const actual = { unit: 'TOKENS', amount: amount - (amount % 3) };
      charged += body(await client.commitReservation(reservation, { actual })).charged.amount;
    }
  }
}

console.log('ready');
await once(process.stdin, 'data');
process.stdin.destroy();
const told = await Promise.all(Array.from({ length: clients }, (_, number) => draw(number)));
const sum = (name) => told.reduce((total, one) => total + one[name], 0);
console.log(
  JSON.stringify({ language: 'node', charged: sum('charged'), open: sum('open'), refused: sum('refused') }),
);
