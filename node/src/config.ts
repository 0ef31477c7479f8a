import { inspect } from 'node:util';

import type { WireDocument } from './document.js';
import { toDocument } from './document.js';
import { native, unwrap } from './native.js';

/** Settings of a client. Times are in milliseconds; what is unset keeps the core's default. */
export interface CyclesConfigOptions {
  /** Where the authority answers, such as `http://127.0.0.1:7878`. */
  baseUrl?: string | undefined;
  apiKey?: string | undefined;
  /** Subject fields for calls that do not set their own. */
  tenant?: string | undefined;
  workspace?: string | undefined;
  app?: string | undefined;
  workflow?: string | undefined;
  agent?: string | undefined;
  toolset?: string | undefined;
  connectTimeout?: number | undefined;
  readTimeout?: number | undefined;
  retryEnabled?: boolean | undefined;
  retryMaxAttempts?: number | undefined;
  retryInitialDelay?: number | undefined;
  retryMultiplier?: number | undefined;
  retryMaxDelay?: number | undefined;
  /** Whether spend that is not booked for certain is kept on disk; it is unless set. */
  journalEnabled?: boolean | undefined;
  /** Where; `.runcycles/commit-journal` in the home directory unless set. */
  journalDir?: string | undefined;
  /** What it survives there: a power failure unless set, or only the process's end. */
  journalSync?: 'power' | 'process' | undefined;
  /** Who pays for a guarded call inside another, unless the call says: `own` unless set. */
  nested?: 'own' | 'inherit' | 'forbid' | undefined;
  /** Whether a guarded call waits for its commit's first attempt (unless set), or only for the journal. */
  settlement?: 'inline' | 'background' | undefined;
  /** Longest time of one call in all; without it an attempt's own times limit it. See docs/outages.md. */
  callTimeout?: number | undefined;
  /** Failures in a row after which calls fail at once for a while; 10 unless set, 0 switches it off. */
  circuitBreakerFailures?: number | undefined;
  /** Longest pause until a call is let through again; 5,000 unless set. */
  circuitBreakerCooldown?: number | undefined;
  /** Whether guarded work runs while the authority cannot be asked: `deny` unless set. */
  onUnreachable?: 'deny' | 'allow' | `allow_up_to:${number}:${string}` | undefined;
  /** What a lost lease means for the work: `warn` unless set. */
  heartbeatPolicy?: 'warn' | 'fail_on_finalize' | 'cancel' | undefined;
  /** Longest that one extension may take; follows from the lease unless set. */
  extendTimeout?: number | undefined;
  /** PEM certificates to trust besides the platform's. */
  caFile?: string | undefined;
}

/** TypeScript name and native name of every setting. */
const SETTINGS = [
  ['baseUrl', 'base_url'],
  ['apiKey', 'api_key'],
  ['tenant', 'tenant'],
  ['workspace', 'workspace'],
  ['app', 'app'],
  ['workflow', 'workflow'],
  ['agent', 'agent'],
  ['toolset', 'toolset'],
  ['connectTimeout', 'connect_timeout_ms'],
  ['readTimeout', 'read_timeout_ms'],
  ['retryEnabled', 'retry_enabled'],
  ['retryMaxAttempts', 'retry_max_attempts'],
  ['retryInitialDelay', 'retry_initial_delay_ms'],
  ['retryMultiplier', 'retry_multiplier'],
  ['retryMaxDelay', 'retry_max_delay_ms'],
  ['journalEnabled', 'journal_enabled'],
  ['journalDir', 'journal_dir'],
  ['journalSync', 'journal_sync'],
  ['nested', 'nested'],
  ['settlement', 'settlement'],
  ['callTimeout', 'call_timeout_ms'],
  ['circuitBreakerFailures', 'circuit_breaker_failures'],
  ['circuitBreakerCooldown', 'circuit_breaker_cooldown_ms'],
  ['onUnreachable', 'on_unreachable'],
  ['heartbeatPolicy', 'heartbeat_policy'],
  ['extendTimeout', 'extend_timeout_ms'],
  ['caFile', 'ca_file'],
] as const satisfies readonly (readonly [keyof CyclesConfigOptions, string])[];

/** Settings of a client, from code or from the environment. */
export class CyclesConfig {
  declare readonly baseUrl: string | undefined;
  declare readonly apiKey: string | undefined;
  declare readonly tenant: string | undefined;
  declare readonly workspace: string | undefined;
  declare readonly app: string | undefined;
  declare readonly workflow: string | undefined;
  declare readonly agent: string | undefined;
  declare readonly toolset: string | undefined;
  declare readonly connectTimeout: number | undefined;
  declare readonly readTimeout: number | undefined;
  declare readonly retryEnabled: boolean | undefined;
  declare readonly retryMaxAttempts: number | undefined;
  declare readonly retryInitialDelay: number | undefined;
  declare readonly retryMultiplier: number | undefined;
  declare readonly retryMaxDelay: number | undefined;
  declare readonly journalEnabled: boolean | undefined;
  declare readonly journalDir: string | undefined;
  declare readonly journalSync: 'power' | 'process' | undefined;
  declare readonly nested: CyclesConfigOptions['nested'];
  declare readonly settlement: CyclesConfigOptions['settlement'];
  declare readonly callTimeout: number | undefined;
  declare readonly circuitBreakerFailures: number | undefined;
  declare readonly circuitBreakerCooldown: number | undefined;
  declare readonly onUnreachable: CyclesConfigOptions['onUnreachable'];
  declare readonly heartbeatPolicy: CyclesConfigOptions['heartbeatPolicy'];
  declare readonly extendTimeout: number | undefined;
  declare readonly caFile: string | undefined;

  constructor(options: CyclesConfigOptions = {}) {
    Object.assign(this, options);
  }

  /**
   * Reads `CYCLES_BASE_URL`, `CYCLES_API_KEY`, … (times in milliseconds).
   * A value that does not parse throws a `CyclesConfigError` naming the variable.
   */
  static fromEnv(prefix = 'CYCLES_'): CyclesConfig {
    const document = unwrap(native.configFromEnv(prefix, toDocument({ ...process.env })));
    const options: { [name: string]: unknown } = {};
    for (const [name, nativeName] of SETTINGS) options[name] = document[nativeName] ?? undefined;
    return new CyclesConfig(options);
  }

  /** @internal Keeps the key out of logs. */
  [inspect.custom](): string {
    return `CyclesConfig ${inspect({ ...this, apiKey: this.apiKey && '[hidden]' })}`;
  }
}

/** The document the core reads. */
export function configToDocument(config: CyclesConfigOptions): WireDocument {
  const document: { [name: string]: unknown } = {};
  for (const [name, nativeName] of SETTINGS) document[nativeName] = config[name] ?? undefined;
  return toDocument(document) as WireDocument;
}
