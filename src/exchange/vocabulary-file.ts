/**
 * The vocabulary of a model that came without one: out of another model, of its JSON form, or of a list of tokens.
 * Refuses to do: guessing the unit of a list; ranking words of a text (see `Vocabulary.fromText`).
 */
import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { readSafetensorsHeader } from '../checkpoint/safetensors.js';
import { wrongFile } from '../checkpoint/wrong-file.js';
import type { TextOptions } from '../data/vocabulary.js';
import { Vocabulary } from '../data/vocabulary.js';
import { describe, TimeRNNError } from '../errors.js';

/** Files larger than this are no lists of tokens: a million long words take a tenth of it. */
const LARGEST_BYTES = 256 * 1024 * 1024;

async function readText(path: string): Promise<string> {
  try {
    const stats = await stat(path);
    if (!stats.isFile() || stats.size > LARGEST_BYTES) {
      const got = stats.isFile() ? `${stats.size} bytes` : 'a folder or a device';
      throw new TimeRNNError(
        'ERR_TIMERNN_FILE',
        `Expected ${path} to be a file of at most ${LARGEST_BYTES} bytes, got ${got}`,
      );
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    if (cause instanceof TimeRNNError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
      throw new TimeRNNError('ERR_TIMERNN_VOCABULARY', `Expected ${path} to be UTF-8, got other bytes`, { cause });
    }
    const got = code === 'ENOENT' ? 'no such file' : message;
    throw new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${path} to be readable, got ${got}`, { cause });
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `Expected ${path} to be JSON, got an error: ${(cause as Error).message}`;
    throw new TimeRNNError('ERR_TIMERNN_VOCABULARY', message, { cause });
  }
}

/** Of a model of ours, or of an export to PyTorch. */
async function ofModel(path: string): Promise<Vocabulary> {
  const { metadata } = await readSafetensorsHeader(path);
  const text = metadata.get('vocabulary');
  if (text === undefined) throw wrongFile(path, 'a "vocabulary" entry in its metadata', 'none');
  const vocabulary = Vocabulary.fromJSON(parse(`the vocabulary of ${path}`, text));
  const hash = metadata.get('vocabularyHash');
  if (hash !== vocabulary.hash) throw wrongFile(path, `the vocabulary hash ${vocabulary.hash}`, describe(hash));
  return vocabulary;
}

function ofList(path: string, tokens: readonly string[], options: TextOptions | undefined): Vocabulary {
  if (options !== undefined) return Vocabulary.fromTokens(tokens, options);
  throw new TimeRNNError(
    'ERR_TIMERNN_OPTION',
    `Expected unit to be 'char' or 'word' with a list of tokens (${path}), got undefined`,
  );
}

/**
 * Reads a vocabulary by the file's ending: `.safetensors`, a model's own; `.json`, what `JSON.stringify(vocabulary)` gave or an
 * array of tokens; anything else is a UTF-8 text with a token on each line. The order is that of the ids.
 *
 * @param options - how text becomes tokens, for lists, which do not say it; refused where the file says it
 * @throws ERR_TIMERNN_OPTION, ERR_TIMERNN_FILE, ERR_TIMERNN_FORMAT, ERR_TIMERNN_VOCABULARY
 */
export async function readVocabulary(path: string, options?: TextOptions): Promise<Vocabulary> {
  const kind = extname(path).toLowerCase();
  if (kind !== '.safetensors' && kind !== '.json') {
    const text = await readText(path);
    return ofList(path, text.replace(/\r?\n$/, '').split(/\r?\n/), options);
  }
  const value = kind === '.json' ? parse(path, await readText(path)) : await ofModel(path);
  if (Array.isArray(value)) return ofList(path, value as string[], options);
  if (options !== undefined) {
    const message = `Expected unit to be left out, since ${path} says it itself, got '${options.unit}'`;
    throw new TimeRNNError('ERR_TIMERNN_OPTION', message);
  }
  return value instanceof Vocabulary ? value : Vocabulary.fromJSON(value);
}
