import type { JsonValue, WireDocument } from './document.js';
import { CyclesTransportError, refusal } from './errors.js';
import type { CyclesError } from './errors.js';
import { errorResponseFromWire } from './mappers.js';
import type { ErrorResponse } from './models.js';
import { fromWire } from './names.js';
import type { NativeResponse } from './native.js';

interface Parts {
  status: number;
  body?: WireDocument | undefined;
  errorMessage?: string | undefined;
  headers?: { [name: string]: string } | undefined;
  transportError?: Error | undefined;
  text?: string | undefined;
}

/** What the authority answered. Low-level calls never throw on HTTP or transport problems. */
export class CyclesResponse<T = WireDocument> {
  /** HTTP status; -1 when no answer arrived. */
  readonly status: number;
  /** The body as the wire carries it (snake_case); `undefined` where it is no JSON object. */
  readonly body: WireDocument | undefined;
  /** The body where it is no JSON, such as a proxy's error page. */
  readonly text: string | undefined;
  /** Why no answer arrived, or what the authority says went wrong. */
  readonly errorMessage: string | undefined;
  /** Names in lower case. */
  readonly headers: { readonly [name: string]: string };
  /** Why no answer arrived. */
  readonly transportError: Error | undefined;

  private constructor({ status, body, errorMessage, headers = {}, transportError, text }: Parts) {
    this.status = status;
    this.body = body;
    this.errorMessage = errorMessage;
    this.headers = headers;
    this.transportError = transportError;
    this.text = text;
  }

  /** A success, for tests that stand in for an authority. */
  static success<T = WireDocument>(status: number, body: object, headers?: { [name: string]: string }): CyclesResponse<T> {
    return new CyclesResponse({ status, body: body as WireDocument, headers });
  }

  /** A refusal, for tests that stand in for an authority. */
  static httpError<T = WireDocument>(
    status: number,
    errorMessage: string,
    body?: object,
    headers?: { [name: string]: string },
  ): CyclesResponse<T> {
    return new CyclesResponse({ status, errorMessage, body: body as WireDocument | undefined, headers });
  }

  /** No answer, for tests that stand in for an authority. */
  static transportError<T = WireDocument>(error: Error): CyclesResponse<T> {
    return new CyclesResponse({ status: -1, errorMessage: error.message, transportError: error });
  }

  /** @internal */
  static fromNative<T>({ status, body, headers, error_message: message }: NativeResponse): CyclesResponse<T> {
    if (status === -1) return CyclesResponse.transportError(new CyclesTransportError(message ?? 'no answer'));
    const document = isDocument(body) ? body : undefined;
    const succeeded = status >= 200 && status < 300;
    return new CyclesResponse({
      status,
      body: document ?? (succeeded ? {} : undefined),
      errorMessage: succeeded ? undefined : messageOf(document, body, status),
      headers: Object.fromEntries(headers),
      text: typeof body === 'string' ? body : undefined,
    });
  }

  get isSuccess(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get isClientError(): boolean {
    return this.status >= 400 && this.status < 500;
  }

  get isServerError(): boolean {
    return this.status >= 500 && this.status < 600;
  }

  get isTransportError(): boolean {
    return this.transportError !== undefined;
  }

  /** The body with TypeScript names, typed; `undefined` unless the call succeeded. */
  get data(): T | undefined {
    return this.isSuccess ? (fromWire(this.body) as T) : undefined;
  }

  /** {@link data}, or throws the typed error that says why there is none. */
  orThrow(): T {
    if (this.isSuccess) return fromWire(this.body) as T;
    throw this.error;
  }

  /** The typed error of a call that did not succeed. */
  get error(): CyclesError | undefined {
    if (this.isSuccess) return undefined;
    const message = this.errorMessage ?? `the authority answered status=${this.status}`;
    if (this.transportError) return new CyclesTransportError(message, { cause: this.transportError });
    const error = this.getErrorResponse();
    return refusal(message, {
      status: this.status,
      code: error?.error,
      requestId: error?.requestId ?? this.requestId,
      traceId: error?.traceId ?? this.traceId,
      retryAfterMs: this.retryAfterMsHeader ?? (error?.details?.['retry_after_ms'] as number | undefined),
      details: error?.details,
    });
  }

  header(name: string): string | undefined {
    return this.headers[name.toLowerCase()];
  }

  get requestId(): string | undefined {
    return this.header('x-request-id');
  }

  get traceId(): string | undefined {
    return this.header('x-cycles-trace-id');
  }

  get cyclesTenant(): string | undefined {
    return this.header('x-cycles-tenant');
  }

  get rateLimitRemaining(): number | undefined {
    return integer(this.header('x-ratelimit-remaining'));
  }

  /** When the rate limit resets, in seconds since 1970. */
  get rateLimitReset(): number | undefined {
    return integer(this.header('x-ratelimit-reset'));
  }

  /** The `Retry-After` header, in milliseconds. */
  get retryAfterMsHeader(): number | undefined {
    const seconds = integer(this.header('retry-after'));
    return seconds === undefined ? undefined : seconds * 1000;
  }

  /** The `Date` header, in milliseconds since 1970. */
  get serverDateMs(): number | undefined {
    const milliseconds = Date.parse(this.header('date') ?? '');
    return Number.isNaN(milliseconds) ? undefined : milliseconds;
  }

  /** One member of the body, by its wire name. */
  getBodyAttribute(name: string): JsonValue | undefined {
    return this.body && Object.hasOwn(this.body, name) ? this.body[name] : undefined;
  }

  /** The authority's error body; `undefined` when there is none. */
  getErrorResponse(): ErrorResponse | undefined {
    return this.body && !this.isSuccess ? errorResponseFromWire(this.body) : undefined;
  }
}

function messageOf(document: WireDocument | undefined, body: JsonValue, status: number): string {
  const said = document?.['message'] ?? document?.['error'] ?? body;
  return typeof said === 'string' && said !== '' ? said : `the authority answered status=${status}`;
}

function isDocument(value: JsonValue): value is WireDocument {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function integer(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}
