// Whether the addon of this machine loads, answers, and is as small as promised. For the release workflow.
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { here } from './platforms.mjs';

/** What an addon with the authority in it may weigh. */
const LIMIT = 8_000_000;

const file = fileURLToPath(new URL(`../runcycles.${here()}.node`, import.meta.url));
const { size } = statSync(file);
if (size > LIMIT) throw new Error(`${file} has ${size} bytes, more than ${LIMIT}`);
const { CyclesClient, withCycles } = await import('../dist/index.mjs');
const client = CyclesClient.embedded({ budgets: { 'tenant:acme': '10 TOKENS' } });
const answer = await withCycles({ client, unit: 'TOKENS', estimate: 5 }, () => 'an answer')();
if (answer !== 'an answer') throw new Error(`it answered ${answer}`);
process.stdout.write(`${here()}: ${size} bytes\n`);
