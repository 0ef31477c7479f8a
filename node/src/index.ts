export type { CallOptions, Signal } from './abort.js';
export { CyclesClient, flushPendingCommits } from './client.js';
export type { Allocated, Budgets, Seed, WireQuery, WireRequest } from './client.js';
export { CyclesConfig } from './config.js';
export type { CyclesConfigOptions } from './config.js';
export { getCyclesContext } from './context.js';
export type { CyclesContext, Settlement } from './context.js';
export { setDefaultClient, setDefaultConfig } from './defaults.js';
export type { JsonValue, WireDocument } from './document.js';
export {
  BudgetExceededError,
  CyclesConfigError,
  CyclesError,
  CyclesInternalError,
  CyclesProtocolError,
  CyclesTransportError,
  CyclesValidationError,
  DebtOutstandingError,
  OverdraftLimitExceededError,
  ReservationExpiredError,
  ReservationFinalizedError,
  TenantClosedError,
} from './errors.js';
export type { CyclesErrorFields } from './errors.js';
export type { GuardedItems, Watchable } from './items.js';
export * from './mappers.js';
export * from './models.js';
export type { JournalStats, Notification } from './notifications.js';
export { CyclesResponse } from './response.js';
export type { FromArguments, ReserveOptions, WatchOptions } from './options.js';
export { StreamReservation, reserveForStream } from './streams.js';
export type { StreamReservationOptions } from './streams.js';
export { StreamUsage } from './usage.js';
export { withCycles } from './withCycles.js';
export type { Guarded, WithCyclesOptions, WithCyclesOptions as WithCyclesConfig } from './withCycles.js';
