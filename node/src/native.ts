import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { CyclesInternalError, errorFromReport } from './errors.js';
import type { ErrorReport } from './errors.js';
import type { Encoded, JsonValue, WireDocument } from './document.js';

/** Every native call answers one of the two; it never throws and never rejects. */
export type Envelope<T> = { ok: T } | { error: ErrorReport };

export interface NativeResponse {
  status: number;
  body: JsonValue;
  headers: [string, string][];
  error_message: string | null;
}

export interface NativeSettlement {
  outcome: string;
  response: WireDocument | null;
  error: ErrorReport | null;
}

export interface NativeFlow {
  flow: 'continue' | 'cut' | 'refused';
  error: ErrorReport | null;
}

/** An answer that may be there at once: an authority in process has it before a promise would. */
export type Answer<T> = Envelope<T> | Promise<Envelope<T>>;

/** Whether an answer is yet to come. Why not `instanceof`: under jest the addon's promises are of another realm. */
export function isPending<T>(answer: Answer<T>): answer is Promise<Envelope<T>> {
  return 'then' in answer;
}

/** A call or a stream, for the calls inside it. */
export interface NativeParent {
  readonly _parent: never;
}

/** Ends the one call that it is passed to. */
export interface NativeAbort {
  abort(): void;
}

export interface NativeGuard {
  context(): Envelope<Encoded>;
  parent(): NativeParent | null;
  cancels(): boolean;
  lost(abort: NativeAbort): Answer<ErrorReport>;
  abandon(): Answer<null>;
  commit(outcome: Encoded): Answer<null>;
  release(reason: JsonValue): Answer<null>;
  settlement(): Envelope<Encoded>;
}

export interface NativeStream {
  context(): Envelope<Encoded>;
  parent(usage: Encoded): NativeParent | null;
  cancels(): boolean;
  lost(abort: NativeAbort): Answer<ErrorReport>;
  proceed(usage: Encoded): Answer<Encoded>;
  finish(usage: Encoded): Answer<Encoded>;
  abort(usage: Encoded, reason: JsonValue): Answer<Encoded>;
}

export interface NativeClient {
  send(call: Encoded, abort?: NativeAbort): Answer<Encoded>;
  begin(request: Encoded, parent?: NativeParent): Answer<NativeGuard>;
  beginStream(request: Encoded, options: JsonValue, parent?: NativeParent): Answer<NativeStream>;
  config(): Envelope<WireDocument>;
  setApiKey(apiKey: JsonValue): Envelope<null>;
  flush(timeoutMs: JsonValue, abort?: NativeAbort): Answer<number>;
  journalStats(): Envelope<WireDocument | null>;
  takeNotifications(): Envelope<WireDocument[]>;
  listen(listener: (batch: WireDocument[]) => void): Envelope<null>;
  close(timeoutMs: JsonValue): Promise<Envelope<number>>;
}

export interface NativeClock {
  advance(ms: JsonValue): Envelope<null>;
  nowMs(): Envelope<number>;
}

export interface NativeTestServer {
  baseUrl(): Envelope<string>;
  adminKey(): Envelope<string>;
  apiKey(name: JsonValue): Envelope<string>;
  client(options: JsonValue): Envelope<NativeClient>;
  waitFor(wait: JsonValue): Promise<Envelope<null>>;
  inject(fault: JsonValue): Envelope<null>;
  clearFaults(): Envelope<null>;
  pendingFaults(): Envelope<JsonValue>;
  waitForFaults(wait: JsonValue): Promise<Envelope<null>>;
  count(operation: JsonValue): Envelope<number>;
  budget(query: JsonValue): Envelope<WireDocument>;
  shutdown(): Promise<Envelope<null>>;
}

export interface NativeModule {
  createClient(config: JsonValue, clock?: NativeClock): Envelope<NativeClient>;
  embeddedClient(seed: JsonValue, config: JsonValue, clock?: NativeClock): Envelope<NativeClient>;
  completeConfig(config: JsonValue): Envelope<WireDocument>;
  createAbort(): NativeAbort;
  configFromEnv(prefix: JsonValue, variables: JsonValue): Envelope<WireDocument>;
  createClock(startMs: JsonValue): Envelope<NativeClock>;
  startTestServer(seed: JsonValue, clock?: NativeClock): Envelope<NativeTestServer>;
  errorSamples(): ErrorReport[];
  version(): string;
  panicForTest(): Envelope<null>;
  panicForTestAsync(): Promise<Envelope<null>>;
  echoForTest(document: JsonValue): Envelope<JsonValue>;
}

/** How a guard that was told to settle stands, for whoever asks. */
export function settlementOf(guard: NativeGuard, answer: Envelope<null>): () => Envelope<Encoded> {
  return () => ('error' in answer ? answer : guard.settlement());
}

/** The value of an answer, or the typed error in its place. */
export function unwrap<T>(envelope: Envelope<T>): T {
  if ('error' in envelope) throw errorFromReport(envelope.error);
  return envelope.ok;
}

function libc(): 'gnu' | 'musl' {
  const { report } = process;
  // Why: without this the report resolves every open socket's peer name.
  const reportWithOptions = report as unknown as { excludeNetwork?: boolean } | undefined;
  if (reportWithOptions) reportWithOptions.excludeNetwork = true;
  const header = (report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined)?.header;
  return header?.glibcVersionRuntime ? 'gnu' : 'musl';
}

/** The name that selects a prebuilt addon, such as `linux-x64-gnu`. */
export function platformTriple(): string {
  const { platform, arch } = process;
  if (platform === 'linux') return `linux-${arch}-${libc()}`;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  return `${platform}-${arch}`;
}

/** Loads the addon beside the package, else the one of the platform's own package. */
export function loadAddon(triple: string, packageRoot: string): NativeModule {
  const local = join(packageRoot, `runcycles.${triple}.node`);
  const platformPackage = `@runcycles/${triple}`;
  try {
    return require(existsSync(local) ? local : platformPackage) as NativeModule;
  } catch (cause) {
    throw new CyclesInternalError(
      `native addon of runcycles not loaded platform=${process.platform} arch=${process.arch} ` +
        `triple=${triple} package=${platformPackage}; install that package, or remove node_modules and ` +
        'the lockfile and install again if npm left it out (npm/cli#4828)',
      { cause },
    );
  }
}

export const native: NativeModule = loadAddon(platformTriple(), join(__dirname, '..'));
