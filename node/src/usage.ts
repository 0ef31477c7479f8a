import { types } from 'node:util';

import { CyclesValidationError } from './errors.js';
import type { Integer, Metadata } from './models.js';

/** What a stream has used so far. Set the fields, or add to the counts. */
export class StreamUsage {
  tokensInput: number = 0;
  tokensOutput: number = 0;
  /** What the stream has cost, in the estimate's unit, where that is known; it goes before the cost function. */
  actualCost: Integer | undefined;
  modelVersion: string | undefined;
  /** Stored with the commit's metrics. */
  custom: Metadata = {};

  /** Throws `CyclesValidationError` for what is no whole number from 0 on. */
  addInputTokens(count: number): void {
    this.tokensInput += whole(count, 'count of input tokens');
  }

  /** Throws `CyclesValidationError` for what is no whole number from 0 on. */
  addOutputTokens(count: number): void {
    this.tokensOutput += whole(count, 'count of output tokens');
  }

  /** Throws `CyclesValidationError` for what is no whole number from 0 on. */
  setActualCost(amount: Integer): void {
    this.actualCost = whole(amount, 'actual cost');
  }
}

/** Whether `value` is an amount: a whole number from 0 on that no rounding has touched. */
export function isAmount(value: unknown): value is Integer {
  return (typeof value === 'bigint' || Number.isSafeInteger(value)) && (value as Integer) >= 0;
}

/** `value`, or an error that says what is wrong with `name`. */
export function whole<T extends Integer>(value: T, name: string): T {
  if (isAmount(value)) return value;
  throw new CyclesValidationError(`${name} must be ${expected(value)} value=${describe(value)}`);
}

function expected(value: unknown): string {
  if (types.isPromise(value)) return 'a whole number, not a promise of one; await it first';
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return 'a bigint beyond 2^53 - 1, where numbers are rounded';
  return 'a whole number from 0 on; round it, amounts are integers';
}

function describe(value: unknown): string {
  return typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'object') : String(value);
}
