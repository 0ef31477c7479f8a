import type { JsonValue, WireDocument } from './document.js';
import { errorResponseFromWire } from './models.js';
import type { ErrorResponse } from './models.js';
import { fromWire } from './names.js';
import type { NativeResponse } from './native.js';

/** What the authority answered. Low-level calls never throw on HTTP or transport problems. */
export class CyclesResponse<T = WireDocument> {
  /** HTTP status; -1 when no answer arrived. */
  readonly status: number;
  /** The body as the wire carries it (snake_case). */
  readonly body: JsonValue;
  /** Why no answer arrived, or the authority's message. */
  readonly errorMessage: string | undefined;
  readonly #headers: Map<string, string>;

  constructor(response: NativeResponse) {
    this.status = response.status;
    this.body = response.body;
    this.errorMessage = response.error_message ?? undefined;
    this.#headers = new Map(response.headers.map(([name, value]) => [name.toLowerCase(), value]));
  }

  get isSuccess(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get isClientError(): boolean {
    return this.status >= 400 && this.status < 500;
  }

  get isServerError(): boolean {
    return this.status >= 500;
  }

  get isTransportError(): boolean {
    return this.status === -1;
  }

  /** The body with TypeScript names, typed; `undefined` unless the call succeeded. */
  get data(): T | undefined {
    return this.isSuccess ? (fromWire(this.body) as T) : undefined;
  }

  header(name: string): string | undefined {
    return this.#headers.get(name.toLowerCase());
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
    return isDocument(this.body) ? this.body[name] : undefined;
  }

  /** The authority's error body; `undefined` when there is none. */
  getErrorResponse(): ErrorResponse | undefined {
    const isError = !this.isSuccess && isDocument(this.body) && typeof this.body['error'] === 'string';
    return isError ? errorResponseFromWire(this.body as WireDocument) : undefined;
  }
}

function isDocument(value: JsonValue): value is WireDocument {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function integer(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}
