import { types } from 'node:util';

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

/** A document on its way into the core: JSON text, or an object where text would round an integer. */
export type Encoded = string | JsonValue;

/** New names for members, and the members whose own members keep theirs. */
export interface Renaming {
  names: ReadonlyMap<string, string>;
  opaque: ReadonlySet<string>;
}

// Why a limit: a cyclic value must become a typed error, not a stack overflow.
const MAX_DEPTH = 100;
const MAX_U32 = 0xffff_ffff;

/**
 * Copies `value` into plain JSON: `undefined` members are dropped, `toJSON` is honoured, and what JSON
 * cannot carry throws a `CyclesValidationError`.
 */
export function copyDocument(value: unknown, renaming?: Renaming): JsonValue {
  return copy(value, renaming, 0, '');
}

/** The same, with integers that the addon's object form keeps exact. */
export function toDocument(value: unknown): JsonValue {
  return exact(copyDocument(value));
}

/** The document as the addon's calls take it. */
export function encode(document: JsonValue): Encoded {
  return holdsBigint(document) ? exact(document) : JSON.stringify(document);
}

/** Copies a value and encodes it; what is plain JSON already is not copied. */
export function encodeCopy(value: unknown): Encoded {
  return isPlain(value, 0) ? JSON.stringify(value) : encode(copyDocument(value));
}

/** Whether `JSON.stringify` writes just what a copy holds. */
function isPlain(value: unknown, depth: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object') return typeof value === 'string' || typeof value === 'boolean' || (value === undefined && depth > 0);
  if (value === null) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  if ((prototype !== Object.prototype && prototype !== Array.prototype) || depth > MAX_DEPTH || 'toJSON' in value) return false;
  for (const key in value) if (!isPlain((value as { [key: string]: unknown })[key], depth + 1)) return false;
  return true;
}

/** What {@link encode} is the other way of. */
export function decode<T extends JsonValue = WireDocument>(encoded: Encoded): T {
  return (typeof encoded === 'string' ? JSON.parse(encoded) : encoded) as T;
}

function copy(value: unknown, renaming: Renaming | undefined, depth: number, path: string): JsonValue {
  switch (typeof value) {
    case 'boolean':
    case 'string':
    case 'bigint':
      return value;
    case 'number':
      if (Number.isFinite(value)) return value;
      throw unfit(`a number that JSON cannot carry value=${value}`, path);
    case 'undefined':
      return null;
    case 'object':
      return value === null ? null : copyObject(value, renaming, depth + 1, path);
    default:
      throw unfit(`a value that JSON cannot carry type=${typeof value}`, path);
  }
}

function copyObject(value: object, renaming: Renaming | undefined, depth: number, path: string): JsonValue {
  if (depth > MAX_DEPTH) throw new CyclesValidationError(`document nests too deeply limit=${MAX_DEPTH}`);
  if ('toJSON' in value && typeof value.toJSON === 'function') return copy(value.toJSON(), renaming, depth, path);
  if (Array.isArray(value)) return value.map((item, index) => copy(item, renaming, depth, `${path}[${index}]`));
  if (types.isPromise(value)) throw unfit('a promise; await it first', path);
  const copied: { [key: string]: JsonValue } = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const inner = renaming?.opaque.has(key) ? undefined : renaming;
    const name = renaming?.names.get(key) ?? key;
    const member = copy(item, inner, depth, path === '' ? key : `${path}.${key}`);
    if (name === '__proto__') Object.defineProperty(copied, name, { value: member, enumerable: true });
    else copied[name] = member;
  }
  return copied;
}

function unfit(what: string, path: string): CyclesValidationError {
  return new CyclesValidationError(`document holds ${what}${path === '' ? '' : ` field=${path}`}`);
}

function holdsBigint(value: JsonValue): boolean {
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint';
  for (const key in value) if (holdsBigint((value as WireDocument)[key] as JsonValue)) return true;
  return false;
}

/** The addon reads numbers above 32 bits as floats; as `bigint` they stay integers. */
function exact(value: JsonValue): JsonValue {
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && Math.abs(value) > MAX_U32 ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return value.map(exact);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, exact(item)]));
}
