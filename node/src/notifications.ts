import type { WireDocument } from './document.js';
import { CyclesError, CyclesValidationError, errorFromReport } from './errors.js';
import type { ErrorReport } from './errors.js';
import type { Open } from './models.js';
import { fromWire } from './names.js';

/**
 * Something that happened in the background; what does not belong to its `kind` is undefined.
 *
 * - `heartbeat_failure`: a lease could not be extended. `disposition` is `repeats`, `stopped` (it ends
 *   when it ends) or `lost` (it has ended before its work did).
 * - `settlement`: `outcome` is `pending`, `retained` (refused until somebody changes a key or a
 *   budget), `refused` (for good), or `committed` or `recovered_via_event` after one of the first two.
 * - `journal_degraded`, `journal_restored`: spends are not written down, or are again.
 * - `record_quarantined`: `file` can never be replayed.
 * - `spend_unknown`: work that was allowed unseen ended with its process; `file` holds what is known of it.
 * - `dropped`: `count` were dropped before this one, because nobody took them.
 */
export interface Notification {
  kind: Open<
    | 'heartbeat_failure'
    | 'settlement'
    | 'journal_degraded'
    | 'journal_restored'
    | 'record_quarantined'
    | 'spend_unknown'
    | 'dropped'
  >;
  reservationId?: string | undefined;
  disposition?: Open<'repeats' | 'stopped' | 'lost'> | undefined;
  outcome?: Open<'pending' | 'retained' | 'refused' | 'committed' | 'recovered_via_event'> | undefined;
  reason?: string | undefined;
  error?: CyclesError | undefined;
  file?: string | undefined;
  count?: number | undefined;
}

/** How a client's settlement journal stands. */
export interface JournalStats {
  /** Spends that are known and not booked for certain. */
  depth: number;
  /** Age of the oldest of them. */
  oldestAgeMs: number | null;
  /** Files that were set aside because they can never be replayed. */
  quarantined: number;
  /** Work that was allowed unseen and ended with its process: its cost is not booked. */
  lost: number;
  /** Why spends are not written down at present. */
  degraded: string | null;
}

export function notificationsFrom(batch: WireDocument[]): Notification[] {
  return batch.map(({ error, ...document }) => {
    const notification = fromWire(document) as { [member: string]: unknown };
    for (const [name, value] of Object.entries(notification)) notification[name] = value ?? undefined;
    if (error) notification['error'] = errorFromReport(error as unknown as ErrorReport);
    return notification as unknown as Notification;
  });
}

/** Never throws: what `callback` throws, or rejects with, becomes a warning of the process. */
export function listenerFor(callback: (notification: Notification) => unknown): (batch: WireDocument[]) => void {
  if (typeof callback !== 'function') throw new CyclesValidationError(`a notification needs a function to call type=${typeof callback}`);
  const warn = (error: unknown): void =>
    process.emitWarning(`a notification callback failed: ${String(error)}`, { type: 'CyclesWarning' });
  return (batch) => {
    for (const notification of notificationsFrom(batch)) {
      try {
        Promise.resolve(callback(notification)).catch(warn);
      } catch (error) {
        warn(error);
      }
    }
  };
}
