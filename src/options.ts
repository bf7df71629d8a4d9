/**
 * Checks that every object of options and every path goes through, whichever part of the library takes it.
 * Refuses to do: knowing any option.
 */
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { describe, TimeRNNError } from './errors.js';

/**
 * Names of options that do not exist are errors: a misspelt option must not be a silent default.
 *
 * @throws ERR_TIMERNN_OPTION
 */
export function checkNames(options: unknown, names: readonly string[], where: string): void {
  if (options === null || typeof options !== 'object') {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected the options of ${where} to be an object, got ${describe(options)}`,
    );
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected the options of ${where} to be among ${names.join(', ')}, got ${describe(unknown)}`,
    );
  }
}

/** @throws ERR_TIMERNN_OPTION unless `signal` is undefined or an AbortSignal */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected signal to be an AbortSignal, got ${describe(signal)}`);
}

/** @throws ERR_TIMERNN_OPTION unless `value` is true or false */
export function expectBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected ${name} to be true or false, got ${describe(value)}`);
}

/** A share of things of which some must be left: dropout rates, decay factors. @throws ERR_TIMERNN_OPTION */
export function expectShare(name: string, value: unknown): number {
  // The sum makes 0 of −0, which a file would keep.
  if (typeof value === 'number' && value >= 0 && value < 1) return value + 0;
  throw new TimeRNNError(
    'ERR_TIMERNN_OPTION',
    `Expected ${name} to be a number of at least 0 and below 1, got ${describe(value)}`,
  );
}

/** What to try where a promise came instead of what it promises; nothing for other values. */
export function awaitHint(value: unknown): string {
  return types.isPromise(value) ? '; did you forget await?' : '';
}

/**
 * A path as `node:fs` takes it: a string, or a URL of a file.
 *
 * @param name - of the option, for the message
 * @param what - that it names
 * @throws ERR_TIMERNN_OPTION
 */
export function filePath(path: unknown, name = 'path', what = 'file'): string {
  const wrong = (got: string, options?: ErrorOptions) =>
    new TimeRNNError('ERR_TIMERNN_OPTION', `Expected ${name} to be the name of a ${what}, got ${got}`, options);
  if (path instanceof URL) {
    try {
      return fileURLToPath(path);
    } catch (cause) {
      throw wrong(path.href, { cause });
    }
  }
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw wrong(describe(path) + awaitHint(path));
  return path;
}
