/**
 * What users call a token, as a number below the vocabulary's size. Refuses to do: cutting text into tokens.
 */
import type { Vocabulary } from '../data/vocabulary.js';
import { describe, TimeRNNError } from '../errors.js';
import type { TokenLike } from './types.js';

/** @throws ERR_TIMERNN_TOKEN */
export function tokenOf(vocabulary: Vocabulary, token: TokenLike): number {
  if (typeof token === 'string') {
    const id = vocabulary.idOf(token) ?? vocabulary.unknownId;
    if (id !== undefined) return id;
    throw new TimeRNNError('ERR_TIMERNN_TOKEN', `Expected a token of the vocabulary, got ${describe(token)}`);
  }
  if (typeof token === 'number' && Number.isInteger(token) && token >= 0 && token < vocabulary.size) return token;
  throw new TimeRNNError(
    'ERR_TIMERNN_TOKEN',
    `Expected a token to be a string or an integer in [0, ${vocabulary.size}), got ${describe(token)}`,
  );
}

/**
 * One token, or several. A string is one token, not a text.
 *
 * @throws ERR_TIMERNN_TOKEN
 */
export function tokensOf(vocabulary: Vocabulary, tokens: unknown): Uint32Array {
  if (typeof tokens === 'string' || typeof tokens === 'number') return Uint32Array.of(tokenOf(vocabulary, tokens));
  if (tokens instanceof Uint32Array) {
    // A copy first: what is checked is what is read.
    const copy = tokens.slice();
    const bad = copy.find((token) => token >= vocabulary.size);
    if (bad !== undefined) tokenOf(vocabulary, bad);
    return copy;
  }
  if (tokens === null || typeof tokens !== 'object' || !(Symbol.iterator in tokens)) {
    throw new TimeRNNError('ERR_TIMERNN_TOKEN', `Expected tokens to be a token or several, got ${describe(tokens)}`);
  }
  return Uint32Array.from(tokens as Iterable<TokenLike>, (token) => tokenOf(vocabulary, token));
}
