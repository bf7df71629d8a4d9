/**
 * What is said of a file that is not what it should be. Loads nothing of the addon: commands that work without it say it too.
 * Refuses to do: reading (see `safetensors.ts`).
 */
import { describe, TimeRNNError } from '../errors.js';

/** A file that is not what it says. */
export function wrongFile(path: string, expected: string, got: string): TimeRNNError {
  return new TimeRNNError('ERR_TIMERNN_FORMAT', `Expected ${path} to have ${expected}, got ${got}`);
}

/** An entry of a file's metadata, as the JSON that it must be. @throws ERR_TIMERNN_FORMAT */
export function metadataJson(path: string, metadata: ReadonlyMap<string, string>, key: string): unknown {
  const text = metadata.get(key);
  if (text === undefined) throw wrongFile(path, `a "${key}" entry in its metadata`, 'none');
  try {
    return JSON.parse(text);
  } catch {
    throw wrongFile(path, `JSON in its metadata entry "${key}"`, describe(text));
  }
}
