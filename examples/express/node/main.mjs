// `npm install && npm start`; CYCLES_BASE_URL and CYCLES_API_KEY say where the budgets are.
import { CyclesClient } from 'runcycles';

import { createApp } from './server.mjs';

const client = CyclesClient.fromEnv();
const server = createApp(client).listen(process.env.PORT ?? 3000, () => console.log(`listening on port ${server.address().port}`));
process.once('SIGTERM', () => server.close(() => client.close()));
