import type { Encoded, JsonValue } from './document.js';
import { copyDocument, encode } from './document.js';

/** Every wire field whose name differs between the wire and TypeScript. */
const WIRE_FIELDS = [
  'affected_scopes', 'client_time_ms', 'committed_metadata', 'cooldown_ms',
  'created_at_ms', 'cycles_evidence', 'cycles_evidence_url', 'delay_ms', 'dry_run', 'event_id', 'evidence_id',
  'expires_at_ms', 'expires_from', 'expires_to', 'extend_by_ms', 'finalized_at_ms', 'finalized_from',
  'finalized_to', 'grace_period_ms', 'has_more', 'idempotency_key', 'include_children', 'is_over_limit',
  'latency_ms', 'max_steps_remaining', 'max_tokens', 'model_version', 'next_cursor', 'oldest_age_ms', 'overage_policy',
  'overdraft_limit', 'reason_code', 'remaining_ttl_ms', 'request_id', 'reservation_id', 'retry_after_ms',
  'scope_path', 'sort_by', 'sort_dir', 'tokens_input', 'tokens_output', 'tool_allowlist', 'tool_denylist',
  'trace_id', 'ttl_ms',
] as const;

/** The caller's own data: their keys are never renamed. */
const OPAQUE_FIELDS = new Set(['metadata', 'committed_metadata', 'committedMetadata', 'dimensions', 'custom', 'details']);

const CAMEL_TO_WIRE = new Map<string, string>();
const WIRE_TO_CAMEL = new Map<string, string>();
for (const wire of WIRE_FIELDS) {
  const camel = wire.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  CAMEL_TO_WIRE.set(camel, wire);
  WIRE_TO_CAMEL.set(wire, camel);
}

const TO_WIRE = { names: CAMEL_TO_WIRE, opaque: OPAQUE_FIELDS };
const FROM_WIRE = { names: WIRE_TO_CAMEL, opaque: OPAQUE_FIELDS };

/** Renames camelCase members to the wire's names; unknown and snake_case members pass as they are. */
export function toWire(value: unknown): JsonValue {
  return copyDocument(value, TO_WIRE);
}

/** Renames the wire's members to camelCase; unknown members pass as they are. */
export function fromWire(value: unknown): JsonValue {
  return copyDocument(value, FROM_WIRE);
}

/** A report of work that was done. Its spend is booked even where the rest of the report is no document. */
export function encodeReport(spent: object, rest: object): Encoded {
  try {
    return encode(toWire({ ...spent, ...rest }));
  } catch {
    return encode(toWire(spent));
  }
}
