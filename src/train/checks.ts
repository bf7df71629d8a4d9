/** Checks of single numbers that the training options share. Refuses to do: knowing any option. */
import { describe, TimeRNNError } from '../errors.js';

/** Kernels compute in float32: a number above its range would be infinite there, and turn parameters into NaN. */
export const LARGEST_FLOAT = 2 ** 128 - 2 ** 104;

/** The refusal of an option. */
export function optionError(name: string, expected: string, got: unknown, hint = ''): TimeRNNError {
  return new TimeRNNError('ERR_TIMERNN_OPTION', `Expected ${name} to be ${expected}, got ${describe(got)}${hint}`);
}

const shown = (limit: number): string => (limit === LARGEST_FLOAT ? limit.toPrecision(2) : String(limit));

/** @throws ERR_TIMERNN_OPTION unless `value` is a finite number in [0, max] */
export function expectRate(name: string, value: unknown, max = Number.MAX_VALUE): number {
  if (typeof value === 'number' && value >= 0 && value <= max) return value;
  const limit = max === Number.MAX_VALUE ? '' : ` and at most ${shown(max)}`;
  throw optionError(name, `a finite number of at least 0${limit}`, value);
}

/** @throws ERR_TIMERNN_OPTION unless `value` is a number above 0 and at most `max` */
export function expectPositive(name: string, value: unknown, max = Number.MAX_VALUE): number {
  if (typeof value === 'number' && value > 0 && value <= max) return value;
  const limit = max === Number.MAX_VALUE ? 'finite number above 0' : `number above 0 and at most ${shown(max)}`;
  throw optionError(name, `a ${limit}`, value);
}
