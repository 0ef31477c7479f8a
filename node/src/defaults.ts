import { CyclesClient } from './client.js';
import type { CyclesConfig, CyclesConfigOptions } from './config.js';
import { CyclesConfigError } from './errors.js';

let defaultClient: CyclesClient | undefined;
let defaultConfig: CyclesConfig | CyclesConfigOptions | undefined;

/** The client of guarded calls that name none. Calls that follow use it. */
export function setDefaultClient(client: CyclesClient | undefined): void {
  defaultClient = client && checked(client, 'setDefaultClient(client)');
}

/** Builds the default client from `config` when a guarded call first needs it. */
export function setDefaultConfig(config: CyclesConfig | CyclesConfigOptions | undefined): void {
  defaultConfig = config;
  defaultClient = undefined;
}

/** The client of a call: its own, or the default one. */
export function clientOf(client: CyclesClient | undefined): CyclesClient {
  return client === undefined ? requireDefaultClient() : checked(client, 'client');
}

function requireDefaultClient(): CyclesClient {
  if (!defaultClient) {
    if (!defaultConfig) {
      throw new CyclesConfigError(
        'no client for a guarded call; pass `client`, or call setDefaultClient or setDefaultConfig first',
      );
    }
    defaultClient = new CyclesClient(defaultConfig);
  }
  return defaultClient;
}

function checked(client: CyclesClient, name: string): CyclesClient {
  if (client instanceof CyclesClient) return client;
  throw new CyclesConfigError(`\`${name}\` must be a CyclesClient; make one with \`new CyclesClient(…)\``);
}
