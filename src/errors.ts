/**
 * The one error class of the library and its stable codes.
 * Refuses to do: formatting for the terminal (see `cli/`).
 */

/** Stable, documented values of {@link TimeRNNError.code}. */
export type ErrorCode =
  | 'ERR_TIMERNN_OPTION'
  | 'ERR_TIMERNN_SHAPE'
  | 'ERR_TIMERNN_SPEC'
  | 'ERR_TIMERNN_TOKEN'
  | 'ERR_TIMERNN_NOT_FINITE'
  | 'ERR_TIMERNN_CORPUS'
  | 'ERR_TIMERNN_VOCABULARY'
  | 'ERR_TIMERNN_FILE'
  | 'ERR_TIMERNN_FORMAT'
  | 'ERR_TIMERNN_DIVERGED'
  | 'ERR_TIMERNN_BUSY'
  | 'ERR_TIMERNN_WORKER'
  | 'ERR_TIMERNN_STATE'
  | 'ERR_TIMERNN_OVERLOADED'
  | 'ERR_TIMERNN_CLOSED'
  | 'ERR_TIMERNN_NATIVE'
  | 'ERR_TIMERNN_INTERNAL';

/**
 * Every error that timernn throws on purpose. Its `code` is stable from release to release; its message says what was
 * expected and what came.
 *
 * @example
 * ```ts
 * import { TimeRNNError } from 'timernn';
 * const error = new TimeRNNError('ERR_TIMERNN_OPTION', 'Expected streams to be a positive integer, got 0');
 * console.log(error.code);
 * ```
 */
export class TimeRNNError extends Error {
  /** Always `TimeRNNError`. */
  override readonly name = 'TimeRNNError';
  /** Which kind of error; stable. */
  readonly code: ErrorCode;

  /**
   * An error with a code.
   *
   * @param options - `cause`: the error that led to this one
   */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Turns an error with a `code` of ours that came from native code or from another thread back into a TimeRNNError. */
export function fromForeign(error: unknown): unknown {
  if (error instanceof TimeRNNError || !(error instanceof Error)) return error;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && code.startsWith('ERR_TIMERNN_')) {
    return new TimeRNNError(code as ErrorCode, error.message, { cause: error });
  }
  return error;
}

/** Describes a value in an error message: short, on one line, never the whole of a big array or of arrays in arrays. */
export function describe(value: unknown): string {
  if (!Array.isArray(value)) return describeItem(value);
  return value.length <= 8 ? `[${value.map(describeItem).join(', ')}]` : describeItem(value);
}

function describeItem(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (ArrayBuffer.isView(value)) {
    return `${value.constructor.name}(${(value as unknown as { length?: number }).length ?? value.byteLength})`;
  }
  if (Array.isArray(value)) return `Array(${value.length})`;
  if (typeof value === 'function') return 'a function';
  if (value !== null && typeof value === 'object') return value.constructor?.name ?? 'an object';
  return typeof value === 'bigint' ? `${value}n` : String(value);
}

/** @throws ERR_TIMERNN_OPTION unless `value` is an integer in [min, max]. */
export function expectInteger(name: string, value: unknown, min = 1, max = 2 ** 31 - 1): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    const what = min === 1 ? 'a positive integer' : `an integer of at least ${min}`;
    const limit = max === 2 ** 31 - 1 ? '' : ` and at most ${max}`;
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected ${name} to be ${what}${limit}, got ${describe(value)}`);
  }
  return value;
}
