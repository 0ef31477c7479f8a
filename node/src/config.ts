import { inspect } from 'node:util';

import type { WireDocument } from './document.js';
import { toDocument } from './document.js';
import { CyclesConfigError } from './errors.js';
import { native, unwrap } from './native.js';
import type { Envelope } from './native.js';

/** Longest wait for settlements at the end, unless set. */
const FLUSH_TIMEOUT_MS = 10_000;

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
  /** Longest wait for settlements when a client or the process ends; 10,000 unless set. */
  retryFlushTimeout?: number | undefined;
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

/** Settings of a client, from code or from the environment, with the defaults for what is not set. */
export class CyclesConfig {
  declare readonly baseUrl: string;
  declare readonly apiKey: string;
  declare readonly tenant: string | undefined;
  declare readonly workspace: string | undefined;
  declare readonly app: string | undefined;
  declare readonly workflow: string | undefined;
  declare readonly agent: string | undefined;
  declare readonly toolset: string | undefined;
  declare readonly connectTimeout: number;
  declare readonly readTimeout: number;
  declare readonly retryEnabled: boolean;
  declare readonly retryMaxAttempts: number;
  declare readonly retryInitialDelay: number;
  declare readonly retryMultiplier: number;
  declare readonly retryMaxDelay: number;
  declare readonly retryFlushTimeout: number;
  declare readonly journalEnabled: boolean;
  declare readonly journalDir: string | undefined;
  declare readonly journalSync: 'power' | 'process';
  declare readonly nested: NonNullable<CyclesConfigOptions['nested']>;
  declare readonly settlement: NonNullable<CyclesConfigOptions['settlement']>;
  declare readonly callTimeout: number | undefined;
  declare readonly circuitBreakerFailures: number;
  declare readonly circuitBreakerCooldown: number;
  declare readonly onUnreachable: NonNullable<CyclesConfigOptions['onUnreachable']>;
  declare readonly heartbeatPolicy: NonNullable<CyclesConfigOptions['heartbeatPolicy']>;
  declare readonly extendTimeout: number | undefined;
  declare readonly caFile: string | undefined;

  /** Throws `CyclesConfigError` naming the setting that makes no sense. */
  constructor(options: CyclesConfigOptions = {}) {
    if (typeof options !== 'object' || options === null) {
      throw new CyclesConfigError(`a configuration is an object of settings type=${options === null ? 'null' : typeof options}`);
    }
    const { retryFlushTimeout = FLUSH_TIMEOUT_MS } = options;
    if (!Number.isSafeInteger(retryFlushTimeout) || retryFlushTimeout < 0) {
      throw new CyclesConfigError(`not a whole number of milliseconds retryFlushTimeout=${retryFlushTimeout}`);
    }
    Object.assign(this, fromNative(unwrapConfig(native.completeConfig(configToDocument(options)))), { retryFlushTimeout });
  }

  /**
   * Reads `CYCLES_BASE_URL`, `CYCLES_API_KEY`, … (times in milliseconds).
   * A value that does not parse throws a `CyclesConfigError` naming the variable.
   */
  static fromEnv(prefix = 'CYCLES_'): CyclesConfig {
    const options = fromNative(unwrap(native.configFromEnv(prefix, toDocument({ ...process.env }))));
    return new CyclesConfig({ ...options, retryFlushTimeout: flushTimeoutFromEnv(prefix) });
  }

  /** @internal Keeps the key out of logs. */
  [inspect.custom](): string {
    return `CyclesConfig ${inspect({ ...this, apiKey: this.apiKey && '[hidden]' })}`;
  }

  /** @internal Keeps the key out of logs. */
  toJSON(): object {
    return { ...this, apiKey: this.apiKey && '[hidden]' };
  }
}

/** Why here: it is waited for, and nothing else; the core's calls take it as an argument. */
function flushTimeoutFromEnv(prefix: string): number | undefined {
  for (const name of [`${prefix}RETRY_FLUSH_TIMEOUT_MS`, `${prefix}RETRY_FLUSH_TIMEOUT`]) {
    const text = process.env[name]?.trim();
    if (text === undefined || text === '') continue;
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new CyclesConfigError(`environment variable must be whole milliseconds variable=${name} value="${text}"`);
  }
  return undefined;
}

/** The document the core reads. */
export function configToDocument(config: CyclesConfigOptions): WireDocument {
  const document: { [name: string]: unknown } = {};
  for (const [name, nativeName] of SETTINGS) {
    const value = config[name];
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new CyclesConfigError(`a setting must be a finite number ${name}=${value}`);
    }
    document[nativeName] = value ?? undefined;
  }
  return toDocument(document) as WireDocument;
}

function fromNative(document: WireDocument): CyclesConfigOptions {
  return Object.fromEntries(SETTINGS.map(([name, nativeName]) => [name, document[nativeName] ?? undefined]));
}

/** The value, or the typed error, which says TypeScript's name of the setting. */
export function unwrapConfig<T>(envelope: Envelope<T>): T {
  if ('ok' in envelope) return envelope.ok;
  let { message } = envelope.error;
  for (const [name, nativeName] of SETTINGS) message = message.replace(new RegExp(`\\b${nativeName}\\b`, 'g'), name);
  const kind = envelope.error.kind === 'Validation' ? 'Config' : envelope.error.kind;
  return unwrap<T>({ error: { ...envelope.error, kind, message } });
}

/** The settings that a client's core has. */
export function configFromNative(document: WireDocument, retryFlushTimeout: number): CyclesConfig {
  return new CyclesConfig({ ...fromNative(document), retryFlushTimeout });
}
