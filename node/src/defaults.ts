import { CyclesClient } from './client.js';
import type { CyclesConfig, CyclesConfigOptions } from './config.js';
import { CyclesConfigError } from './errors.js';

let defaultClient: CyclesClient | undefined;
let defaultConfig: CyclesConfig | CyclesConfigOptions | undefined;

/** The client of guarded calls that name none. Calls that follow use it. */
export function setDefaultClient(client: CyclesClient | undefined): void {
  defaultClient = client;
}

/** Builds the default client from `config` when a guarded call first needs it. */
export function setDefaultConfig(config: CyclesConfig | CyclesConfigOptions | undefined): void {
  defaultConfig = config;
  defaultClient = undefined;
}

export function requireDefaultClient(): CyclesClient {
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
