import { CyclesValidationError } from './errors.js';

/** A JSON value. Integers beyond 2^53 - 1 are `bigint`, so that no amount is ever rounded. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | JsonValue[]
  | { [key: string]: JsonValue };

/** A JSON object with the field names of the wire (snake_case). */
export type WireDocument = { [key: string]: JsonValue };

// Why a limit: a cyclic value must become a typed error, not a stack overflow.
const MAX_DEPTH = 100;
const MAX_U32 = 0xffff_ffff;

/**
 * Copies `value` into a document that crosses into the core unchanged: `undefined`
 * members are dropped, `toJSON` is honoured, safe integers stay exact integers.
 */
export function toDocument(value: unknown): JsonValue {
  return copy(value, 0);
}

function copy(value: unknown, depth: number): JsonValue {
  if (depth > MAX_DEPTH) {
    throw new CyclesValidationError(`document nests too deeply limit=${MAX_DEPTH}`);
  }
  switch (typeof value) {
    case 'boolean':
    case 'string':
    case 'bigint':
      return value;
    case 'number':
      return exactNumber(value);
    case 'undefined':
      return null;
    case 'object':
      return value === null ? null : copyObject(value, depth);
    default:
      throw new CyclesValidationError(`document holds a value that JSON cannot carry type=${typeof value}`);
  }
}

function copyObject(value: object, depth: number): JsonValue {
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return copy(value.toJSON(), depth + 1);
  }
  if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1));
  const members = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(members.map(([key, item]) => [key, copy(item, depth + 1)]));
}

/** The addon reads numbers above 32 bits as floats; as `bigint` they stay integers. */
function exactNumber(value: number): number | bigint {
  if (!Number.isFinite(value)) {
    throw new CyclesValidationError(`document holds a number that JSON cannot carry value=${value}`);
  }
  return Number.isSafeInteger(value) && Math.abs(value) > MAX_U32 ? BigInt(value) : value;
}
