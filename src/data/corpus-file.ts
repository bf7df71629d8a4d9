/**
 * Runs the tokenising of a file in a thread of its own, for the one call; nothing is left behind.
 * Refuses to do: reading the file here, on the caller's thread.
 */
import { Piscina } from 'piscina';
import { type ErrorCode, TimeRNNError } from '../errors.js';
import type { VocabularyJSON } from './vocabulary-json.js';

/** What the worker is asked to do. */
export interface TokenizeTask {
  path: string;
  options: {
    unit?: 'char' | 'word';
    lowercase?: boolean;
    separatePunctuation?: boolean;
    vocabularySize?: number;
  };
  vocabulary: VocabularyJSON | undefined;
}

/** The ids, and the vocabulary where the worker made one. */
export interface TokenizedFile {
  buffer: SharedArrayBuffer;
  vocabulary: VocabularyJSON | undefined;
}

/** What the worker answers. An error travels as plain data, since its class and code would not survive the way. */
export type TokenizeAnswer = TokenizedFile | { code: ErrorCode; message: string; cause: unknown };

/**
 * Reads and tokenises a file off this thread.
 *
 * @throws what the worker met, or the signal's reason; ERR_TIMERNN_WORKER where the thread itself failed
 * @internal
 */
export async function tokenizeFile(task: TokenizeTask, signal?: AbortSignal): Promise<TokenizedFile> {
  signal?.throwIfAborted();
  const pool = new Piscina<TokenizeTask, TokenizeAnswer>({
    filename: new URL('../pool/entry.cjs', import.meta.url).href,
    workerData: { entry: new URL('./tokenize-worker.js', import.meta.url).href },
    // 0, or an aborted task's thread would be replaced just before the pool is destroyed.
    minThreads: 0,
    maxThreads: 1,
    atomics: 'disabled',
  });
  let answer: TokenizeAnswer;
  try {
    answer = await pool.run(task, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw new TimeRNNError(
      'ERR_TIMERNN_WORKER',
      `Expected the thread that tokenises ${task.path} to finish, got: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  } finally {
    await pool.destroy();
  }
  signal?.throwIfAborted();
  if ('code' in answer) throw new TimeRNNError(answer.code, answer.message, { cause: answer.cause });
  return answer;
}
