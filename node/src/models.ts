/** An integer amount: `number` while it is a safe integer, `bigint` beyond 2^53 - 1. */
export type Integer = number | bigint;

/** Caller-defined data, stored and returned unchanged. */
export type Metadata = { [key: string]: unknown };

export const Unit = {
  USD_MICROCENTS: 'USD_MICROCENTS',
  TOKENS: 'TOKENS',
  CREDITS: 'CREDITS',
  RISK_POINTS: 'RISK_POINTS',
} as const;
export type Unit = (typeof Unit)[keyof typeof Unit];

export const CommitOveragePolicy = {
  REJECT: 'REJECT',
  ALLOW_IF_AVAILABLE: 'ALLOW_IF_AVAILABLE',
  ALLOW_WITH_OVERDRAFT: 'ALLOW_WITH_OVERDRAFT',
} as const;
export type CommitOveragePolicy = (typeof CommitOveragePolicy)[keyof typeof CommitOveragePolicy];

export const Decision = {
  ALLOW: 'ALLOW',
  ALLOW_WITH_CAPS: 'ALLOW_WITH_CAPS',
  DENY: 'DENY',
} as const;
export type Decision = (typeof Decision)[keyof typeof Decision];

export const ReservationStatus = {
  ACTIVE: 'ACTIVE',
  COMMITTED: 'COMMITTED',
  RELEASED: 'RELEASED',
  EXPIRED: 'EXPIRED',
} as const;
export type ReservationStatus = (typeof ReservationStatus)[keyof typeof ReservationStatus];

export const CommitStatus = { COMMITTED: 'COMMITTED' } as const;
export type CommitStatus = (typeof CommitStatus)[keyof typeof CommitStatus];

export const ReleaseStatus = { RELEASED: 'RELEASED' } as const;
export type ReleaseStatus = (typeof ReleaseStatus)[keyof typeof ReleaseStatus];

export const ExtendStatus = { ACTIVE: 'ACTIVE' } as const;
export type ExtendStatus = (typeof ExtendStatus)[keyof typeof ExtendStatus];

export const EventStatus = { APPLIED: 'APPLIED' } as const;
export type EventStatus = (typeof EventStatus)[keyof typeof EventStatus];

/** Strings an authority newer than this package may send are kept, so each enum stays open. */
export type Open<T extends string> = T | (string & {});

export interface Amount {
  unit: Open<Unit>;
  amount: Integer;
}

/** An amount that may be negative, such as what remains of an overdrawn budget. */
export type SignedAmount = Amount;

export interface Subject {
  tenant?: string;
  workspace?: string;
  app?: string;
  workflow?: string;
  agent?: string;
  toolset?: string;
  dimensions?: { [key: string]: string };
}

export interface Action {
  kind: string;
  name: string;
  tags?: string[];
}

export interface Caps {
  maxTokens?: Integer;
  maxStepsRemaining?: Integer;
  toolAllowlist?: string[];
  toolDenylist?: string[];
  cooldownMs?: Integer;
}

export interface CyclesMetrics {
  tokensInput?: Integer;
  tokensOutput?: Integer;
  latencyMs?: Integer;
  modelVersion?: string;
  custom?: Metadata;
}

export interface CyclesEvidenceRef {
  evidenceId: string;
  cyclesEvidenceUrl: string;
}

export interface Balance {
  scope: string;
  scopePath: string;
  remaining: SignedAmount;
  reserved?: Amount;
  spent?: Amount;
  debt?: Amount;
  allocated?: Amount;
  overdraftLimit?: Amount;
  isOverLimit?: boolean;
}

/** A mutating request without `idempotencyKey` gets one from the core, kept across its retries. */
export interface ReservationCreateRequest {
  idempotencyKey?: string;
  subject: Subject;
  action: Action;
  estimate: Amount;
  ttlMs?: number;
  gracePeriodMs?: number;
  overagePolicy?: Open<CommitOveragePolicy>;
  dryRun?: boolean;
  metadata?: Metadata;
}

export interface ReservationCreateResponse {
  decision: Open<Decision>;
  reservationId?: string;
  reserved?: Amount;
  expiresAtMs?: number;
  remainingTtlMs?: number;
  scopePath?: string;
  affectedScopes: string[];
  caps?: Caps;
  balances?: Balance[];
  reasonCode?: string;
  retryAfterMs?: number;
  cyclesEvidence?: CyclesEvidenceRef;
}

export interface CommitRequest {
  idempotencyKey?: string;
  actual: Amount;
  metrics?: CyclesMetrics;
  metadata?: Metadata;
}

export interface CommitResponse {
  status: Open<CommitStatus>;
  charged: Amount;
  released?: Amount;
  balances?: Balance[];
  cyclesEvidence?: CyclesEvidenceRef;
}

export interface ReleaseRequest {
  idempotencyKey?: string;
  reason?: string;
}

export interface ReleaseResponse {
  status: Open<ReleaseStatus>;
  released: Amount;
  balances?: Balance[];
  cyclesEvidence?: CyclesEvidenceRef;
}

export interface ReservationExtendRequest {
  idempotencyKey?: string;
  extendByMs: number;
  metadata?: Metadata;
}

export interface ReservationExtendResponse {
  status: Open<ExtendStatus>;
  expiresAtMs: number;
  remainingTtlMs?: number;
  balances?: Balance[];
}

export interface DecisionRequest {
  idempotencyKey?: string;
  subject: Subject;
  action: Action;
  estimate: Amount;
  metadata?: Metadata;
}

export interface DecisionResponse {
  decision: Open<Decision>;
  caps?: Caps;
  reasonCode?: string;
  retryAfterMs?: number;
  affectedScopes?: string[];
  cyclesEvidence?: CyclesEvidenceRef;
}

export interface EventCreateRequest {
  idempotencyKey?: string;
  subject: Subject;
  action: Action;
  actual: Amount;
  overagePolicy?: Open<CommitOveragePolicy>;
  metrics?: CyclesMetrics;
  clientTimeMs?: number;
  metadata?: Metadata;
}

export interface EventCreateResponse {
  status: Open<EventStatus>;
  eventId: string;
  charged?: Amount;
  balances?: Balance[];
}

export interface ReservationEvidence {
  reserve?: CyclesEvidenceRef;
  commit?: CyclesEvidenceRef;
  release?: CyclesEvidenceRef;
}

export interface ReservationSummary {
  reservationId: string;
  status: Open<ReservationStatus>;
  idempotencyKey?: string;
  subject: Subject;
  action: Action;
  reserved: Amount;
  committed?: Amount;
  createdAtMs: number;
  expiresAtMs: number;
  finalizedAtMs?: number;
  scopePath: string;
  affectedScopes: string[];
  metadata?: Metadata;
  committedMetadata?: Metadata;
  evidence?: ReservationEvidence;
}

export type ReservationDetail = ReservationSummary;

export interface ReservationListResponse {
  reservations: ReservationSummary[];
  nextCursor?: string;
  hasMore?: boolean;
}

export interface BalanceResponse {
  balances: Balance[];
  nextCursor?: string;
  hasMore?: boolean;
}

export interface ErrorResponse {
  error: Open<ErrorCode>;
  message: string;
  requestId: string;
  traceId?: string;
  details?: Metadata;
  cyclesEvidence?: CyclesEvidenceRef;
}

/** What a guarded call answers under `dryRun`: the decision, without a reservation and without running. */
export interface DryRunResult {
  decision: Open<Decision>;
  caps?: Caps;
  affectedScopes: string[];
  scopePath?: string;
  reserved?: Amount;
  balances: Balance[];
  reasonCode?: string;
  retryAfterMs?: number;
}

/** Subject filters and paging of {@link CyclesClient.getBalances}. */
export interface BalanceQuery {
  tenant?: string;
  workspace?: string;
  app?: string;
  workflow?: string;
  agent?: string;
  toolset?: string;
  includeChildren?: boolean;
  limit?: number;
  cursor?: string;
}

/** Filters, order and paging of {@link CyclesClient.listReservations}. */
export interface ReservationQuery {
  idempotencyKey?: string;
  status?: Open<ReservationStatus>;
  tenant?: string;
  workspace?: string;
  app?: string;
  workflow?: string;
  agent?: string;
  toolset?: string;
  from?: string;
  to?: string;
  expiresFrom?: string;
  expiresTo?: string;
  finalizedFrom?: string;
  finalizedTo?: string;
  sortBy?: string;
  sortDir?: 'asc' | 'desc';
  include?: string;
  limit?: number;
  cursor?: string;
}

export const ErrorCode = {
  INVALID_REQUEST: 'INVALID_REQUEST',
  UNAUTHORIZED: 'UNAUTHORIZED',
  FORBIDDEN: 'FORBIDDEN',
  NOT_FOUND: 'NOT_FOUND',
  BUDGET_EXCEEDED: 'BUDGET_EXCEEDED',
  BUDGET_FROZEN: 'BUDGET_FROZEN',
  BUDGET_CLOSED: 'BUDGET_CLOSED',
  RESERVATION_EXPIRED: 'RESERVATION_EXPIRED',
  RESERVATION_FINALIZED: 'RESERVATION_FINALIZED',
  IDEMPOTENCY_MISMATCH: 'IDEMPOTENCY_MISMATCH',
  UNIT_MISMATCH: 'UNIT_MISMATCH',
  OVERDRAFT_LIMIT_EXCEEDED: 'OVERDRAFT_LIMIT_EXCEEDED',
  DEBT_OUTSTANDING: 'DEBT_OUTSTANDING',
  MAX_EXTENSIONS_EXCEEDED: 'MAX_EXTENSIONS_EXCEEDED',
  LIMIT_EXCEEDED: 'LIMIT_EXCEEDED',
  TENANT_CLOSED: 'TENANT_CLOSED',
  INTERNAL_ERROR: 'INTERNAL_ERROR',
  UNKNOWN: 'UNKNOWN',
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

const RETRYABLE_CODES: readonly string[] = [ErrorCode.INTERNAL_ERROR, ErrorCode.LIMIT_EXCEEDED, ErrorCode.UNKNOWN];

/** The code named by `text`, or `UNKNOWN` for one that this version does not know; `undefined` without one. */
export function errorCodeFromString(text: string): ErrorCode;
export function errorCodeFromString(text: string | null | undefined): ErrorCode | undefined;
export function errorCodeFromString(text: string | null | undefined): ErrorCode | undefined {
  if (text === null || text === undefined) return undefined;
  return Object.hasOwn(ErrorCode, text) ? (text as ErrorCode) : ErrorCode.UNKNOWN;
}

export function isRetryableErrorCode(code: string | null | undefined): boolean {
  return code != null && RETRYABLE_CODES.includes(code);
}

export function isAllowed(decision: string): boolean {
  return decision === Decision.ALLOW || decision === Decision.ALLOW_WITH_CAPS;
}

export function isDenied(decision: string): boolean {
  return decision === Decision.DENY;
}

/** Whether `tool` may run under `caps`. A non-empty allowlist wins; an empty one restricts nothing. */
export function isToolAllowed(caps: Caps | null | undefined, tool: string): boolean {
  if (caps?.toolAllowlist?.length) return caps.toolAllowlist.includes(tool);
  return !caps?.toolDenylist?.includes(tool);
}

export function isMetricsEmpty(metrics: CyclesMetrics): boolean {
  return Object.values(metrics).every((value) => value === undefined);
}
