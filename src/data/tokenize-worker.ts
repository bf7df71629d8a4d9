/**
 * In a thread of its own: reads a text file and tokenises it. All errors go back as data.
 * Refuses to do: pipes and devices; they may never open or never end, and a thread that waits in a system call cannot
 * be stopped.
 */
import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { TimeRNNError } from '../errors.js';
import type { TokenizeAnswer, TokenizeTask } from './corpus-file.js';
import { encodeCorpus } from './encode-corpus.js';
import { firstInvalidByte } from './utf8.js';
import { Vocabulary } from './vocabulary.js';

const REASONS = new Map([
  ['ENOENT', 'no such file'],
  ['EISDIR', 'a folder'],
  ['ENOTDIR', 'a path through something that is not a folder'],
  ['EACCES', 'no permission to read it'],
  ['EPERM', 'no permission to read it'],
  ['ERR_FS_FILE_TOO_LARGE', 'a file of 2 GiB or more'],
  ['ERR_STRING_TOO_LONG', 'more text than a JavaScript string can hold'],
]);

function fileError(path: string, got: string, cause?: unknown): TimeRNNError {
  return new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${path} to be a UTF-8 text file, got ${got}`, { cause });
}

function readText(path: string): string {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) throw fileError(path, 'a folder');
    if (!stats.isFile()) throw fileError(path, 'a pipe, device or socket');
    const file = readFileSync(path);
    if (!isUtf8(file)) {
      const at = firstInvalidByte(file);
      const byte = file[at]!.toString(16).padStart(2, '0');
      throw fileError(path, `an invalid sequence at byte ${at} (0x${byte})`);
    }
    const hasMark = file[0] === 0xef && file[1] === 0xbb && file[2] === 0xbf;
    return file.toString('utf8', hasMark ? 3 : 0);
  } catch (error) {
    if (error instanceof TimeRNNError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw fileError(path, REASONS.get(code ?? '') ?? message, error);
  }
}

/** Reads and tokenises one file. */
export default function tokenize({ path, options, vocabulary }: TokenizeTask): TokenizeAnswer {
  try {
    const existing = vocabulary && { vocabulary: Vocabulary.fromJSON(vocabulary) };
    const corpus = encodeCorpus(readText(path), { ...options, ...existing }, path);
    return { buffer: corpus.tokens.buffer, vocabulary: existing ? undefined : corpus.vocabulary.toJSON() };
  } catch (error) {
    if (error instanceof TimeRNNError) return { code: error.code, message: error.message, cause: error.cause };
    throw error;
  }
}
