/**
 * What a request brings, as token numbers; and token numbers as an answer.
 * Refuses to do: more tokens than the limits allow, and anything that the vocabulary cannot mean.
 */
import type { Vocabulary } from '../data/vocabulary.js';
import { describe, TimeRNNError } from '../errors.js';
import { leadIn } from '../models/generate.js';
import type { TokenProbability } from '../sessions/types.js';
import { HttpProblem } from './problem.js';

/** Text, or tokens by their numbers or by their texts. */
export type Source = string | readonly unknown[];

/** A token in an answer. */
export interface TokenAnswer {
  token: number;
  text: string;
}

/** @throws ERR_TIMERNN_TOKEN for what is not a token of the vocabulary */
export function tokenId(vocabulary: Vocabulary, value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < vocabulary.size) return value;
  const byText = typeof value === 'string' ? (vocabulary.idOf(value) ?? vocabulary.unknownId) : undefined;
  if (byText !== undefined) return byText;
  const texts = vocabulary.unit === 'token' ? '' : ', or the text of a token';
  throw new TimeRNNError(
    'ERR_TIMERNN_TOKEN',
    `Expected ${name} to be an integer from 0 to ${vocabulary.size - 1}${texts}, got ${describe(value)}`,
  );
}

/**
 * The tokens of a source.
 *
 * @param name - of the field, for the message
 * @throws HttpProblem (400) where they are too many; ERR_TIMERNN_TOKEN; ERR_TIMERNN_VOCABULARY for a text of a model of bare integers
 */
export function tokensOf(vocabulary: Vocabulary, source: Source, name: string, most: number): Uint32Array {
  const tokens =
    typeof source === 'string'
      ? vocabulary.encode(source)
      : Uint32Array.from(source, (value, index) => tokenId(vocabulary, value, `${name}[${index}]`));
  if (tokens.length <= most) return tokens;
  const message = `Expected ${name} to have at most ${most} tokens, got ${tokens.length}`;
  throw new HttpProblem(400, 'INVALID_REQUEST', message);
}

/**
 * What comes before: the tokens of the context; where there are none, what the library takes for the start of a text.
 * A model of bare integers has no such start, and reads nothing.
 */
export function contextOf(vocabulary: Vocabulary, source: Source | undefined, name: string, most: number): Uint32Array {
  const tokens = source === undefined ? new Uint32Array() : tokensOf(vocabulary, source, name, most);
  if (tokens.length > 0) return tokens;
  return vocabulary.unit === 'token' ? tokens : leadIn(vocabulary, name, undefined);
}

/** A token with its text. */
export const tokenAnswer = (vocabulary: Vocabulary, token: number): TokenAnswer => ({
  token,
  text: vocabulary.token(token),
});

/** A number that JSON has. @throws ERR_TIMERNN_NOT_FINITE */
export function finite(value: number, name: string): number {
  if (Number.isFinite(value)) return value;
  throw new TimeRNNError('ERR_TIMERNN_NOT_FINITE', `Expected ${name} to be finite, got ${value}`);
}

/** The most likely tokens with their texts. @throws ERR_TIMERNN_NOT_FINITE */
export const nextAnswer = (vocabulary: Vocabulary, next: readonly TokenProbability[]) =>
  next.map(({ token, probability }) => ({
    ...tokenAnswer(vocabulary, token),
    probability: finite(probability, 'probability'),
  }));
