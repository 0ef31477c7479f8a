import { ErrorCode, isRetryableErrorCode } from './models.js';

/** What the core reports when an operation fails. */
export interface ErrorReport {
  kind: string;
  message: string;
  code?: string | null;
  status?: number | null;
  reason_code?: string | null;
  request_id?: string | null;
  trace_id?: string | null;
  retry_after_ms?: number | null;
  details?: { [key: string]: unknown } | null;
}

export interface CyclesErrorFields {
  code?: string | undefined;
  /** Same as `code`. */
  errorCode?: string | undefined;
  status?: number | undefined;
  reasonCode?: string | undefined;
  requestId?: string | undefined;
  traceId?: string | undefined;
  retryAfterMs?: number | undefined;
  details?: { [key: string]: unknown } | undefined;
  cause?: unknown;
}

/** Base class of every error this package throws. */
export class CyclesError extends Error {
  /** The protocol's error code, such as `BUDGET_EXCEEDED`. */
  declare readonly code: string | undefined;
  /** HTTP status, or -1 when no answer arrived. */
  declare readonly status: number | undefined;
  /** Why a decision was DENY, where the authority says so. */
  declare readonly reasonCode: string | undefined;
  declare readonly requestId: string | undefined;
  declare readonly traceId: string | undefined;
  /** How long to wait before trying again, where the authority says so. */
  declare readonly retryAfterMs: number | undefined;
  declare readonly details: { [key: string]: unknown } | undefined;

  constructor(message: string, { cause, errorCode, ...fields }: CyclesErrorFields = {}) {
    super(message, cause === undefined ? undefined : { cause });
    // Why hidden: the name is in the stack already.
    Object.defineProperty(this, 'name', { value: new.target.name, configurable: true, writable: true });
    // Why only what is known: a printed error shows its members.
    for (const [field, value] of Object.entries({ ...fields, code: fields.code ?? errorCode })) {
      if (value !== undefined) Object.assign(this, { [field]: value });
    }
  }

  /** Same as {@link code}. */
  get errorCode(): string | undefined {
    return this.code;
  }
}

/** The authority refused the request, or denied it. */
export class CyclesProtocolError extends CyclesError {
  declare readonly status: number;

  constructor(message: string, fields: CyclesErrorFields = {}) {
    super(message, { ...fields, status: fields.status ?? 0 });
  }

  isBudgetExceeded(): boolean {
    return this.code === ErrorCode.BUDGET_EXCEEDED;
  }

  isOverdraftLimitExceeded(): boolean {
    return this.code === ErrorCode.OVERDRAFT_LIMIT_EXCEEDED;
  }

  isDebtOutstanding(): boolean {
    return this.code === ErrorCode.DEBT_OUTSTANDING;
  }

  isTenantClosed(): boolean {
    return this.code === ErrorCode.TENANT_CLOSED;
  }

  isReservationExpired(): boolean {
    return this.code === ErrorCode.RESERVATION_EXPIRED;
  }

  isReservationFinalized(): boolean {
    return this.code === ErrorCode.RESERVATION_FINALIZED;
  }

  isIdempotencyMismatch(): boolean {
    return this.code === ErrorCode.IDEMPOTENCY_MISMATCH;
  }

  isUnitMismatch(): boolean {
    return this.code === ErrorCode.UNIT_MISMATCH;
  }

  /** Whether the same request may succeed later. */
  isRetryable(): boolean {
    return isRetryableErrorCode(this.code) || this.status >= 500;
  }
}

/** The budget does not cover the estimate. */
export class BudgetExceededError extends CyclesProtocolError {}

/** The scope's debt is above its overdraft limit. */
export class OverdraftLimitExceededError extends CyclesProtocolError {}

/** The scope has debt and no overdraft limit to carry it. */
export class DebtOutstandingError extends CyclesProtocolError {}

/** The tenant is closed; nothing of it can change any more. */
export class TenantClosedError extends CyclesProtocolError {}

/** The reservation ran past its time to live and grace period. */
export class ReservationExpiredError extends CyclesProtocolError {}

/** The reservation is already committed or released. */
export class ReservationFinalizedError extends CyclesProtocolError {}

/** No usable answer arrived from the authority. */
export class CyclesTransportError extends CyclesError {
  declare readonly status: number;

  constructor(message: string, fields: CyclesErrorFields = {}) {
    super(message, { ...fields, status: fields.status ?? -1 });
  }
}

/** The request cannot be sent as it is. */
export class CyclesValidationError extends CyclesError {}

/** The client cannot be built from this configuration. */
export class CyclesConfigError extends CyclesError {}

/** A defect in this package; please report it. */
export class CyclesInternalError extends CyclesError {}

type ErrorClass = new (message: string, fields?: CyclesErrorFields) => CyclesError;

/** One class per kind of the core. A test walks every kind of the core through this table. */
export const ERROR_CLASSES: { readonly [kind: string]: ErrorClass } = {
  Protocol: CyclesProtocolError,
  BudgetExceeded: BudgetExceededError,
  OverdraftLimitExceeded: OverdraftLimitExceededError,
  DebtOutstanding: DebtOutstandingError,
  TenantClosed: TenantClosedError,
  ReservationExpired: ReservationExpiredError,
  ReservationFinalized: ReservationFinalizedError,
  Transport: CyclesTransportError,
  Validation: CyclesValidationError,
  Config: CyclesConfigError,
  Internal: CyclesInternalError,
};

/** The class of a refusal with `code`. */
const CODE_CLASSES: { readonly [code: string]: ErrorClass } = {
  BUDGET_EXCEEDED: BudgetExceededError,
  OVERDRAFT_LIMIT_EXCEEDED: OverdraftLimitExceededError,
  DEBT_OUTSTANDING: DebtOutstandingError,
  TENANT_CLOSED: TenantClosedError,
  RESERVATION_EXPIRED: ReservationExpiredError,
  RESERVATION_FINALIZED: ReservationFinalizedError,
};

/** The typed error for a refusal that a low-level call answered. */
export function refusal(message: string, fields: CyclesErrorFields): CyclesProtocolError {
  const errorClass = CODE_CLASSES[fields.code ?? ''] ?? CyclesProtocolError;
  return new errorClass(message, fields) as CyclesProtocolError;
}

/** The typed error for a report of the core. */
export function errorFromReport(report: ErrorReport): CyclesError {
  const errorClass = ERROR_CLASSES[report.kind] ?? CyclesError;
  return new errorClass(report.kind === 'Validation' ? withOwnNames(report.message) : report.message, {
    code: report.code ?? undefined,
    status: report.status ?? undefined,
    reasonCode: report.reason_code ?? undefined,
    requestId: report.request_id ?? undefined,
    traceId: report.trace_id ?? undefined,
    retryAfterMs: report.retry_after_ms ?? undefined,
    details: report.details ?? undefined,
  });
}

/** A field that the core names as the wire does, as the caller wrote it. */
function withOwnNames(message: string): string {
  return message.replace(/\bfield=\S+/g, (field) => field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
}
