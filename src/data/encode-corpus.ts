/**
 * From a text to ids in shared memory: what `Corpus.fromText` does here and `Corpus.fromFile` in another thread.
 * Refuses to do: reading files.
 */
import { describe, expectInteger, TimeRNNError } from '../errors.js';
import { checkTextOptions, type TextOptions } from './text-options.js';
import { Vocabulary } from './vocabulary.js';

/** How a corpus is made from text. */
export interface CorpusOptions extends Partial<TextOptions> {
  /** An existing vocabulary to encode with: what it lacks becomes `<unk>`, and it brings its own text options. */
  vocabulary?: Vocabulary;
  /** Most tokens a new vocabulary may have, `<unk>` and `<eos>` included. @default no limit */
  vocabularySize?: number;
}

/** Ids in memory that all threads share, zero at first. */
export function sharedTokens(length: number): Uint32Array<SharedArrayBuffer> {
  return new Uint32Array(new SharedArrayBuffer(length * Uint32Array.BYTES_PER_ELEMENT));
}

/** Builds or takes the vocabulary that the options ask for. @throws ERR_TIMERNN_OPTION */
function resolveVocabulary(text: string, options: CorpusOptions): Vocabulary {
  const { vocabulary, vocabularySize } = options;
  if (vocabulary !== undefined) return vocabulary;
  const size = vocabularySize === undefined ? {} : { vocabularySize };
  return Vocabulary.fromText(text, { ...size, ...checkTextOptions(options as TextOptions) });
}

/** Names of {@link CorpusOptions}. */
export const CORPUS_NAMES: readonly string[] = [
  'unit',
  'vocabularySize',
  'lowercase',
  'separatePunctuation',
  'vocabulary',
] satisfies (keyof CorpusOptions)[];

/** @throws ERR_TIMERNN_OPTION where the options contradict each other. */
export function checkCorpusOptions(options: CorpusOptions): void {
  const { vocabulary, vocabularySize } = options;
  if (vocabulary === undefined) {
    checkTextOptions(options as TextOptions);
    if (vocabularySize !== undefined) expectInteger('vocabularySize', vocabularySize, 2);
    return;
  }
  expectVocabulary(vocabulary);
  if (vocabularySize !== undefined && vocabularySize !== vocabulary.size) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected vocabularySize to be left out or ${vocabulary.size}, as the vocabulary has, got ${describe(vocabularySize)}`,
    );
  }
  for (const name of ['unit', 'lowercase', 'separatePunctuation'] as const) {
    if (options[name] !== undefined && options[name] !== vocabulary[name]) {
      throw new TimeRNNError(
        'ERR_TIMERNN_OPTION',
        `Expected ${name} to be left out or ${describe(vocabulary[name])}, as the vocabulary has, got ${describe(options[name])}`,
      );
    }
  }
}

/** @throws ERR_TIMERNN_OPTION unless the value is a Vocabulary. */
export function expectVocabulary(value: unknown): asserts value is Vocabulary {
  if (!(value instanceof Vocabulary)) {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected vocabulary to be a Vocabulary, got ${describe(value)}`);
  }
}

/**
 * Encodes a text with the vocabulary of the options, or with a new one.
 *
 * @throws ERR_TIMERNN_CORPUS for an empty text; ERR_TIMERNN_OPTION, ERR_TIMERNN_VOCABULARY
 * @internal
 */
export function encodeCorpus(
  text: string,
  options: CorpusOptions,
  source = 'the text',
): { tokens: Uint32Array<SharedArrayBuffer>; vocabulary: Vocabulary } {
  checkCorpusOptions(options);
  if (typeof text !== 'string') {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected text to be a string, got ${describe(text)}`);
  }
  if (text === '') {
    throw new TimeRNNError('ERR_TIMERNN_CORPUS', `Expected ${source} to have at least one token, got nothing (empty)`);
  }
  const vocabulary = resolveVocabulary(text, options);
  return { tokens: vocabulary.encodeInto(text, sharedTokens, true), vocabulary };
}
