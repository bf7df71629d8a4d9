/**
 * Corpus: one sequence of token ids in shared memory, and the vocabulary that gives them a meaning.
 * Refuses to do: training policy (streams and windows are in `streams.ts`), files (see `corpus-file.ts`).
 */
import { types } from 'node:util';
import { describe, expectInteger, TimeRNNError } from '../errors.js';
import { type TokenizeTask, tokenizeFile } from './corpus-file.js';
import {
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

  private constructor(tokens: Uint32Array<SharedArrayBuffer>, vocabulary: Vocabulary) {
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
   * The corpus of a text, at once. Words: each line ends in `<eos>`, also a last one without `\n`.
   *
   * @throws ERR_TIMERNN_CORPUS for an empty text; ERR_TIMERNN_OPTION for a bad option
   */
  static fromText(text: string, options: CorpusOptions): Corpus {
    const { tokens, vocabulary } = encodeCorpus(text, options);
    return new Corpus(tokens, vocabulary);
  }

  /**
   * The corpus of ids that the caller has. They are copied unless they lie in shared memory already.
   *
   * @throws ERR_TIMERNN_TOKEN for an id that is not below vocabularySize; ERR_TIMERNN_CORPUS for none, or for anything
   * but a Uint32Array; ERR_TIMERNN_OPTION for a bad option
   * @example
   * ```ts
   * import { Corpus } from 'timernn';
   * console.log(Corpus.fromTokens(Uint32Array.of(2, 0, 1), { vocabularySize: 3 }).length); // 3
   * ```
   */
  static fromTokens(tokens: Uint32Array, options: CorpusTokensOptions): Corpus {
    if (!types.isUint32Array(tokens)) {
      throw new TimeRNNError('ERR_TIMERNN_CORPUS', `Expected tokens to be a Uint32Array, got ${describe(tokens)}`);
    }
    if (tokens.length === 0) {
      throw new TimeRNNError('ERR_TIMERNN_CORPUS', 'Expected tokens to have at least one token, got none');
    }
    const vocabulary = tokensVocabulary(options);
    let shared: Uint32Array<SharedArrayBuffer>;
    if (types.isSharedArrayBuffer(tokens.buffer)) shared = tokens as Uint32Array<SharedArrayBuffer>;
    else {
      shared = sharedTokens(tokens.length);
      shared.set(tokens);
    }
    for (let i = 0; i < shared.length; i++) {
      if (shared[i]! >= vocabulary.size) {
        throw new TimeRNNError(
          'ERR_TIMERNN_TOKEN',
          `Expected token ${i} to be below the vocabulary size ${vocabulary.size}, got ${shared[i]}`,
        );
      }
    }
    return new Corpus(shared, vocabulary);
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
  static async fromFile(path: string, options: CorpusFileOptions): Promise<Corpus> {
    if (typeof path !== 'string' || path === '' || path.includes('\0')) {
      throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected path to be the name of a file, got ${describe(path)}`);
    }
    checkCorpusOptions(options);
    const { signal, vocabulary, ...rest } = options;
    const task: TokenizeTask = { path, options: rest, vocabulary: vocabulary?.toJSON() };
    const result = await tokenizeFile(task, signal);
    return new Corpus(new Uint32Array(result.buffer), vocabulary ?? Vocabulary.fromJSON(result.vocabulary));
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
    const heldOut = options?.heldOut;
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
      train: new Corpus(this.tokens.subarray(0, cut), this.vocabulary),
      heldOut: new Corpus(this.tokens.subarray(cut), this.vocabulary),
    };
  }
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
