/**
 * Corpus: one sequence of token ids in shared memory, and the vocabulary that gives them a meaning.
 * Refuses to do: training policy (streams and windows are in `streams.ts`), files (see `corpus-file.ts`).
 */
import { types } from 'node:util';
import { describe, expectInteger, TimeRNNError } from '../errors.js';
import { awaitHint, checkNames, checkSignal, filePath } from '../options.js';
import { type TokenizeTask, tokenizeFile } from './corpus-file.js';
import {
  CORPUS_NAMES,
  type CorpusOptions,
  checkCorpusOptions,
  encodeCorpus,
  expectVocabulary,
  sharedTokens,
} from './encode-corpus.js';
import { Vocabulary } from './vocabulary.js';

export type { CorpusOptions } from './encode-corpus.js';

/** How a corpus is made from a file. */
export interface CorpusFileOptions extends CorpusOptions {
  /** Stops the reading; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** How a corpus is made from ids: at least one of the two, and they must agree. */
export interface CorpusTokensOptions {
  /** Number of tokens V; every id must be below. @default vocabulary.size */
  vocabularySize?: number;
  /** What the ids mean. @default bare integers */
  vocabulary?: Vocabulary;
}

/** Only this module can call the constructor: its tokens have been checked. */
const CHECKED = Symbol('checked');

/**
 * A sequence of token ids in memory that all threads share.
 *
 * @example
 * ```ts
 * import { Corpus } from 'timernn';
 * const corpus = Corpus.fromText('to be or not to be', { unit: 'word' });
 * const { train, heldOut } = corpus.split({ heldOut: 0.3 });
 * console.log(corpus.length, train.length, heldOut.length, corpus.vocabulary.size); // 7 5 2 6
 * ```
 */
export class Corpus {
  /** What the ids mean. */
  readonly vocabulary: Vocabulary;
  /** All ids in order, over a SharedArrayBuffer; a view, perhaps with an offset. Do not write to it. */
  readonly tokens: Uint32Array<SharedArrayBuffer>;

  private constructor(tokens: Uint32Array<SharedArrayBuffer>, vocabulary: Vocabulary, key: typeof CHECKED) {
    // `private` holds for TypeScript only, and tokens that nobody checked must not reach native code.
    if (key !== CHECKED) {
      throw new TimeRNNError(
        'ERR_TIMERNN_OPTION',
        'Expected a corpus to be made by Corpus.fromText, Corpus.fromFile or Corpus.fromTokens, got new Corpus(…)',
      );
    }
    this.tokens = tokens;
    this.vocabulary = vocabulary;
    // Native code reads the tokens from other threads: an array over other memory must not take their place.
    Object.freeze(this);
  }

  /** Number of tokens L. */
  get length(): number {
    return this.tokens.length;
  }

  /**
   * The corpus of a text, at once, on this thread: some 40 ms a megabyte, during which nothing else runs. For anything
   * large use {@link Corpus.fromFile}. Words: each line ends in `<eos>`, also a last one without `\n`.
   *
   * @throws ERR_TIMERNN_CORPUS for an empty text; ERR_TIMERNN_OPTION for a bad option
   */
  static fromText(text: string, options: CorpusOptions): Corpus {
    checkNames(options, CORPUS_NAMES, 'Corpus.fromText');
    const { tokens, vocabulary } = encodeCorpus(text, options);
    return new Corpus(tokens, vocabulary, CHECKED);
  }

  /**
   * The corpus of ids that the caller has. They are copied unless they lie in shared memory already.
   *
   * @param tokens - a Uint32Array, or a plain array of integers
   * @throws ERR_TIMERNN_TOKEN for an id that is not below vocabularySize; ERR_TIMERNN_CORPUS for none;
   * ERR_TIMERNN_OPTION for another kind of array or a bad option
   * @example
   * ```ts
   * import { Corpus } from 'timernn';
   * console.log(Corpus.fromTokens(Uint32Array.of(2, 0, 1), { vocabularySize: 3 }).length); // 3
   * ```
   */
  static fromTokens(tokens: Uint32Array | readonly number[], options: CorpusTokensOptions): Corpus {
    checkNames(options ?? {}, ['vocabularySize', 'vocabulary'], 'Corpus.fromTokens');
    const vocabulary = tokensVocabulary(options);
    const shared = inSharedMemory(tokens);
    for (let i = 0; i < shared.length; i++) {
      if (shared[i]! >= vocabulary.size) {
        throw new TimeRNNError(
          'ERR_TIMERNN_TOKEN',
          `Expected token ${i} to be below the vocabulary size ${vocabulary.size}, got ${shared[i]}`,
        );
      }
    }
    return new Corpus(shared, vocabulary, CHECKED);
  }

  /**
   * The corpus of a UTF-8 text file, read and tokenised in another thread.
   *
   * @throws ERR_TIMERNN_FILE for a file that cannot be read or is not UTF-8; ERR_TIMERNN_CORPUS for an empty one;
   * ERR_TIMERNN_OPTION for a bad option
   * @example
   * ```ts
   * import { Corpus } from 'timernn';
   * const corpus = await Corpus.fromFile('README.md', { unit: 'char' });
   * ```
   */
  static async fromFile(path: string | URL, options: CorpusFileOptions): Promise<Corpus> {
    const file = filePath(path);
    checkNames(options, [...CORPUS_NAMES, 'signal'], 'Corpus.fromFile');
    checkCorpusOptions(options);
    const { signal, vocabulary, ...rest } = options;
    checkSignal(signal);
    const task: TokenizeTask = { path: file, options: rest, vocabulary: vocabulary?.toJSON() };
    const result = await tokenizeFile(task, signal);
    const made = vocabulary ?? Vocabulary.fromJSON(result.vocabulary);
    return new Corpus(new Uint32Array(result.buffer), made, CHECKED);
  }

  /**
   * Cuts the corpus in two without copying: the beginning to train on, the end held out.
   *
   * @param options.heldOut - the share of the end, above 0 and below 1; rounded to whole tokens
   * @throws ERR_TIMERNN_OPTION for a share out of range; ERR_TIMERNN_CORPUS where a side would have fewer than 2 tokens
   */
  split(options: { heldOut: number }): {
    /** The beginning. */
    train: Corpus;
    /** The end. */
    heldOut: Corpus;
  } {
    checkNames(options, ['heldOut'], 'split');
    const { heldOut } = options;
    if (typeof heldOut !== 'number' || !(heldOut > 0 && heldOut < 1)) {
      throw new TimeRNNError(
        'ERR_TIMERNN_OPTION',
        `Expected heldOut to be a number above 0 and below 1, got ${describe(heldOut)}`,
      );
    }
    const cut = this.length - Math.round(this.length * heldOut);
    if (cut < 2 || this.length - cut < 2) {
      throw new TimeRNNError(
        'ERR_TIMERNN_CORPUS',
        `Expected both sides of the split to have at least 2 tokens, got ${cut} to train on and ${this.length - cut} held out`,
      );
    }
    return {
      train: new Corpus(this.tokens.subarray(0, cut), this.vocabulary, CHECKED),
      heldOut: new Corpus(this.tokens.subarray(cut), this.vocabulary, CHECKED),
    };
  }
}

/** The ids where threads can read them: the same array if it lies there already, else a copy. */
function inSharedMemory(tokens: unknown): Uint32Array<SharedArrayBuffer> {
  const plain = Array.isArray(tokens);
  if (!plain && !types.isUint32Array(tokens)) {
    const hint = ArrayBuffer.isView(tokens) ? '; use Uint32Array.from(ids)' : awaitHint(tokens);
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected tokens to be a Uint32Array or an array of integers, got ${describe(tokens)}${hint}`,
    );
  }
  if (tokens.length === 0) {
    throw new TimeRNNError('ERR_TIMERNN_CORPUS', 'Expected tokens to have at least one token, got none');
  }
  if (!plain && types.isSharedArrayBuffer(tokens.buffer)) return tokens as Uint32Array<SharedArrayBuffer>;
  const shared = sharedTokens(tokens.length);
  if (!plain) {
    shared.set(tokens);
    return shared;
  }
  for (let i = 0; i < shared.length; i++) {
    const token: unknown = tokens[i];
    shared[i] = token as number;
    // What the array could not hold as it is: fractions, negative numbers, holes, anything but numbers.
    if (shared[i] !== token) {
      throw new TimeRNNError(
        'ERR_TIMERNN_TOKEN',
        `Expected token ${i} to be an integer of at least 0 and below 2³², got ${describe(token)}`,
      );
    }
  }
  return shared;
}

function tokensVocabulary(options: CorpusTokensOptions): Vocabulary {
  const { vocabularySize, vocabulary } = options ?? {};
  if (vocabulary === undefined) return Vocabulary.ofSize(expectInteger('vocabularySize', vocabularySize));
  expectVocabulary(vocabulary);
  if (vocabularySize !== undefined && vocabularySize !== vocabulary.size) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected vocabularySize to be left out or ${vocabulary.size}, as the vocabulary has, got ${describe(vocabularySize)}`,
    );
  }
  return vocabulary;
}
