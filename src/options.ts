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

/** What to try where a promise came instead of what it promises; nothing for other values. */
export function awaitHint(value: unknown): string {
  return types.isPromise(value) ? '; did you forget await?' : '';
}

/**
 * A path as `node:fs` takes it: a string, or a URL of a file.
 *
 * @throws ERR_TIMERNN_OPTION
 */
export function filePath(path: unknown): string {
  const wrong = (got: string, options?: ErrorOptions) =>
    new TimeRNNError('ERR_TIMERNN_OPTION', `Expected path to be the name of a file, got ${got}`, options);
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
