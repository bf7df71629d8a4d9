/**
 * The JSON form of a vocabulary and its checks. The value may come from a stranger's file.
 * Refuses to do: repairing. The first thing that is wrong is named and thrown.
 */
import { describe, TimeRNNError } from '../errors.js';
import { END_OF_LINE, hasLoneSurrogate, UNKNOWN } from './tokenize.js';

/** The JSON form of a vocabulary. */
export type VocabularyJSON =
  | {
      /** Bare integers. */
      unit: 'token';
      /** Number of tokens V. */
      size: number;
    }
  | {
      /** What a token is. */
      unit: 'char' | 'word';
      /** Whether text is turned to lower case first. */
      lowercase: boolean;
      /** Whether punctuation marks are words of their own. */
      separatePunctuation: boolean;
      /** All tokens in order of their ids. */
      tokens: string[];
    };

const LARGEST = 2 ** 31 - 1;

function expected(what: string, got: string): TimeRNNError {
  return new TimeRNNError('ERR_TIMERNN_VOCABULARY', `Expected ${what}, got ${got}`);
}

/**
 * Checks a value and copies it, so that later changes to it change nothing.
 *
 * @throws ERR_TIMERNN_VOCABULARY
 */
export function parseVocabulary(value: unknown): { json: VocabularyJSON; ids: Map<string, number> } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw expected('the vocabulary to be an object', Array.isArray(value) ? 'an array' : describe(value));
  }
  const { unit, size, tokens } = value as Record<string, unknown>;
  if (unit === 'token') {
    if (typeof size !== 'number' || !Number.isInteger(size) || size < 1 || size > LARGEST) {
      throw expected("the vocabulary's size to be a positive integer", describe(size));
    }
    return { json: { unit, size }, ids: new Map() };
  }
  if (unit !== 'char' && unit !== 'word') {
    throw expected("the vocabulary's unit to be 'char', 'word' or 'token'", describe(unit));
  }
  const lowercase = parseFlag(value, 'lowercase');
  const separatePunctuation = parseFlag(value, 'separatePunctuation');
  if (unit === 'char' && separatePunctuation) {
    throw expected("the vocabulary's separatePunctuation to be false with unit 'char'", 'true');
  }
  if (!Array.isArray(tokens)) throw expected("the vocabulary's tokens to be an array", describe(tokens));
  const copy = Array.from(tokens as unknown[]);
  const ids = indexTokens(copy, unit);
  return { json: { unit, lowercase, separatePunctuation, tokens: copy as string[] }, ids };
}

function parseFlag(value: object, name: 'lowercase' | 'separatePunctuation'): boolean {
  const flag = (value as Record<string, unknown>)[name] ?? false;
  if (typeof flag !== 'boolean') throw expected(`the vocabulary's ${name} to be a boolean`, describe(flag));
  return flag;
}

function indexTokens(tokens: readonly unknown[], unit: 'char' | 'word'): Map<string, number> {
  const ids = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    if (typeof token !== 'string') throw expected(`token ${id} of the vocabulary to be a string`, describe(token));
    checkToken(token, id, unit);
    const earlier = ids.get(token);
    if (earlier !== undefined) {
      throw expected('the tokens of the vocabulary to be different', `${describe(token)} as ${earlier} and ${id}`);
    }
    ids.set(token, id);
  }
  for (const special of unit === 'word' ? [UNKNOWN, END_OF_LINE] : [UNKNOWN]) {
    if (!ids.has(special)) throw expected(`the vocabulary to have the token ${special}`, `${ids.size} others`);
  }
  return ids;
}

function checkToken(token: string, id: number, unit: 'char' | 'word'): void {
  if (hasLoneSurrogate(token)) {
    throw expected(`token ${id} of the vocabulary to be well-formed Unicode`, describe(token));
  }
  if (unit === 'char') {
    const first = token.codePointAt(0);
    const single = first !== undefined && token.length === (first > 0xffff ? 2 : 1);
    if (!single && token !== UNKNOWN) {
      throw expected(`token ${id} of the vocabulary to be one character`, describe(token));
    }
  } else if (token === '' || /\s/.test(token)) {
    throw expected(`token ${id} of the vocabulary to be a word without white space`, describe(token));
  }
}
