export { CyclesClient } from './client.js';
export type { Seed, WireQuery } from './client.js';
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
export * from './models.js';
export type { JournalStats, Notification } from './notifications.js';
export { CyclesResponse } from './response.js';
export { withCycles } from './withCycles.js';
export type { FromArguments, WithCyclesOptions } from './withCycles.js';
