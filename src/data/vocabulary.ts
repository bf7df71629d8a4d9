/**
 * Vocabulary: which tokens exist and what their ids are. Immutable.
 * Refuses to do: guessing. A JSON value that is not a whole, consistent vocabulary is an error.
 */
import { createHash } from 'node:crypto';
import { describe, expectInteger, TimeRNNError } from '../errors.js';
import { checkNames } from '../options.js';
import { checkTextOptions, type TextOptions, type Unit, type VocabularyOptions } from './text-options.js';
import {
  characterLength,
  countCharacters,
  countWords,
  END_OF_LINE,
  hasOpenLine,
  prepareText,
  rankCharacters,
  rankWords,
  scanWords,
  UNKNOWN,
} from './tokenize.js';
import { parseVocabulary, type VocabularyJSON } from './vocabulary-json.js';

export type { TextOptions, Unit, VocabularyOptions } from './text-options.js';
export type { VocabularyJSON } from './vocabulary-json.js';

const TEXT_NAMES = ['unit', 'lowercase', 'separatePunctuation'] satisfies (keyof TextOptions)[];

/** Only this module can call the constructor: what it is given has been checked. */
const CHECKED = Symbol('checked');

/**
 * The tokens of a corpus or a model and their ids, from 0 to `size` − 1.
 *
 * - `char`: `<unk>` is 0, then the characters by code point.
 * - `word`: `<unk>` is 0, `<eos>` is 1 (it ends every line), then the words by descending frequency, ties by first
 *   appearance. A literal `<unk>` or `<eos>` in the text has that id.
 * - `token`: the ids are the tokens; text cannot be encoded.
 *
 * @example
 * ```ts
 * import { Vocabulary } from 'timernn';
 * const vocabulary = Vocabulary.fromText('the whale the sea\n', { unit: 'word' });
 * console.log(vocabulary.decode(vocabulary.encode('the sea')), vocabulary.size); // the sea 5
 * ```
 */
export class Vocabulary {
  /** What a token is. */
  readonly unit: Unit;
  /** Number of tokens V. */
  readonly size: number;
  /** Whether text is turned to lower case before it is encoded. */
  readonly lowercase: boolean;
  /** Whether punctuation marks are words of their own. */
  readonly separatePunctuation: boolean;
  /** Id of `<unk>`; undefined with unit `token`. */
  readonly unknownId: number | undefined;
  /** Id of the token that ends a line: `\n` of characters (where the vocabulary has it), `<eos>` of words. */
  readonly lineEndId: number | undefined;
  readonly #tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;
  #codes: Uint32Array | undefined;
  #hash: string | undefined;

  private constructor(json: VocabularyJSON, ids: ReadonlyMap<string, number>, key: typeof CHECKED) {
    if (key !== CHECKED) {
      throw new TimeRNNError(
        'ERR_TIMERNN_OPTION',
        'Expected a vocabulary to be made by Vocabulary.fromText, fromTokens, fromJSON or ofSize, got new Vocabulary(…)',
      );
    }
    this.unit = json.unit;
    this.size = json.unit === 'token' ? json.size : json.tokens.length;
    this.lowercase = json.unit !== 'token' && json.lowercase;
    this.separatePunctuation = json.unit !== 'token' && json.separatePunctuation;
    this.#tokens = json.unit === 'token' ? [] : json.tokens;
    this.#ids = ids;
    this.unknownId = ids.get(UNKNOWN);
    this.lineEndId = json.unit === 'token' ? undefined : ids.get(json.unit === 'word' ? END_OF_LINE : '\n');
  }

  /**
   * The vocabulary of a text.
   *
   * @throws ERR_TIMERNN_OPTION for an option out of range
   * @example
   * ```ts
   * import { Vocabulary } from 'timernn';
   * console.log(Vocabulary.fromText('hello', { unit: 'char' }).size); // <unk> e h l o: 5
   * ```
   */
  static fromText(text: string, options: VocabularyOptions): Vocabulary {
    checkNames(options, [...TEXT_NAMES, 'vocabularySize'], 'Vocabulary.fromText');
    const { unit, lowercase, separatePunctuation } = checkTextOptions(options);
    if (typeof text !== 'string') {
      throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected text to be a string, got ${describe(text)}`);
    }
    const special = unit === 'word' ? [UNKNOWN, END_OF_LINE] : [UNKNOWN];
    const limit =
      options.vocabularySize === undefined
        ? Number.POSITIVE_INFINITY
        : expectInteger('vocabularySize', options.vocabularySize, 2) - special.length;
    const prepared = prepareText(text, lowercase);
    const ranked =
      unit === 'char'
        ? rankCharacters(countCharacters(prepared).counts, limit)
        : rankWords(countWords(prepared, separatePunctuation), limit);
    return Vocabulary.fromTokens([...special, ...ranked], { unit, lowercase, separatePunctuation });
  }

  /**
   * A vocabulary from its tokens, in the order of their ids.
   *
   * @param tokens - all different; with `<unk>`, and for words with `<eos>`, anywhere in the list
   * @throws ERR_TIMERNN_VOCABULARY for tokens that do not make a vocabulary; ERR_TIMERNN_OPTION for a bad option
   * @example
   * ```ts
   * import { Vocabulary } from 'timernn';
   * console.log(Vocabulary.fromTokens(['<unk>', 'a', 'b'], { unit: 'char' }).decode([1, 2])); // ab
   * ```
   */
  static fromTokens(tokens: readonly string[], options: TextOptions): Vocabulary {
    checkNames(options, TEXT_NAMES, 'Vocabulary.fromTokens');
    return Vocabulary.fromJSON({ ...checkTextOptions(options), tokens });
  }

  /**
   * A vocabulary of bare integers 0 … size − 1, for sequences that are not text.
   *
   * @throws ERR_TIMERNN_OPTION unless size is a positive integer
   * @example
   * ```ts
   * import { Vocabulary } from 'timernn';
   * console.log(Vocabulary.ofSize(1000).unit); // token
   * ```
   */
  static ofSize(size: number): Vocabulary {
    return new Vocabulary({ unit: 'token', size: expectInteger('size', size) }, new Map(), CHECKED);
  }

  /**
   * Rebuilds a vocabulary from what `toJSON` gave. The value may come from anywhere: all of it is checked.
   *
   * @throws ERR_TIMERNN_VOCABULARY unless the value is a whole, consistent vocabulary
   * @example
   * ```ts
   * import { Vocabulary } from 'timernn';
   * const vocabulary = Vocabulary.fromText('abc', { unit: 'char' });
   * console.log(Vocabulary.fromJSON(JSON.parse(JSON.stringify(vocabulary))).hash === vocabulary.hash); // true
   * ```
   */
  static fromJSON(value: unknown): Vocabulary {
    const { json, ids } = parseVocabulary(value);
    return new Vocabulary(json, ids, CHECKED);
  }

  /** A plain object for `JSON.stringify`; the inverse of {@link Vocabulary.fromJSON}. */
  toJSON(): VocabularyJSON {
    const { unit, lowercase, separatePunctuation } = this;
    if (unit === 'token') return { unit, size: this.size };
    return { unit, lowercase, separatePunctuation, tokens: [...this.#tokens] };
  }

  /** SHA-256 (hex) of the unit, the options and all tokens in order: equal hashes mean equal ids for every text. */
  get hash(): string {
    this.#hash ??= createHash('sha256')
      .update(JSON.stringify([1, this.unit, this.lowercase, this.separatePunctuation, this.size, this.#tokens]))
      .digest('hex');
    return this.#hash;
  }

  /** The id of a token, undefined where the vocabulary lacks it or has bare integers. */
  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /**
   * The token of an id: a character, a word, or the number itself.
   *
   * @throws ERR_TIMERNN_TOKEN unless id is an integer in [0, size)
   */
  token(id: number): string {
    if (!Number.isInteger(id) || id < 0 || id >= this.size) {
      throw new TimeRNNError(
        'ERR_TIMERNN_TOKEN',
        `Expected id to be an integer from 0 to ${this.size - 1}, got ${describe(id)}`,
      );
    }
    return this.unit === 'token' ? String(id) : this.#tokens[id]!;
  }

  /**
   * The ids of a text; what the vocabulary lacks becomes `<unk>`. Words: every `\n` gives an `<eos>`; a last line
   * without `\n` stays open, so that a prompt can be continued.
   *
   * @throws ERR_TIMERNN_VOCABULARY with unit `token`; ERR_TIMERNN_OPTION unless text is a string
   */
  encode(text: string): Uint32Array<ArrayBuffer> {
    return this.encodeInto(text, (length) => new Uint32Array(length), false);
  }

  /**
   * `encode` into memory of the caller's choice.
   *
   * @param allocate - gives the array for that many tokens; called once
   * @param closeLastLine - words: whether a last line without `\n` gets its `<eos>` too, as in a corpus
   * @internal
   */
  encodeInto<B extends ArrayBufferLike>(
    text: string,
    allocate: (length: number) => Uint32Array<B>,
    closeLastLine: boolean,
  ): Uint32Array<B> {
    if (this.unit === 'token') {
      throw new TimeRNNError(
        'ERR_TIMERNN_VOCABULARY',
        "Expected a vocabulary of characters or words to encode text, got one with unit 'token'",
      );
    }
    if (typeof text !== 'string') {
      throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected text to be a string, got ${describe(text)}`);
    }
    const prepared = prepareText(text, this.lowercase);
    if (this.unit === 'char') return this.#encodeCharacters(prepared, allocate);
    return this.#encodeWords(prepared, allocate, closeLastLine && hasOpenLine(prepared));
  }

  /**
   * The text of a sequence of ids: characters joined without anything, words and integers with a space, `<eos>` as a
   * line break.
   *
   * @throws ERR_TIMERNN_TOKEN for an id outside the vocabulary
   */
  decode(ids: Iterable<number>): string {
    const pieces: string[] = [];
    if (this.unit === 'char') {
      for (const id of ids) pieces.push(this.token(id));
      return pieces.join('');
    }
    let lineStart = true;
    for (const id of ids) {
      const token = this.token(id);
      const lineEnd = id === this.lineEndId;
      if (lineEnd) pieces.push('\n');
      else pieces.push(lineStart ? token : ` ${token}`);
      lineStart = lineEnd;
    }
    return pieces.join('');
  }

  #encodeCharacters<B extends ArrayBufferLike>(text: string, allocate: (length: number) => Uint32Array<B>) {
    this.#codes ??= this.#codeTable();
    const table = this.#codes;
    const unknown = this.unknownId!;
    const ids = allocate(characterLength(text));
    for (let i = 0, at = 0; i < text.length; at++) {
      const code = text.codePointAt(i)!;
      ids[at] = code < table.length ? table[code]! : unknown;
      i += code > 0xffff ? 2 : 1;
    }
    return ids;
  }

  /** Id by code point, up to the highest one that the vocabulary has. */
  #codeTable(): Uint32Array {
    const characters = this.#tokens.filter((token) => token !== UNKNOWN);
    const highest = characters.reduce((most, token) => Math.max(most, token.codePointAt(0)!), -1);
    const table = new Uint32Array(highest + 1).fill(this.unknownId!);
    for (const token of characters) table[token.codePointAt(0)!] = this.#ids.get(token)!;
    return table;
  }

  #encodeWords<B extends ArrayBufferLike>(
    text: string,
    allocate: (length: number) => Uint32Array<B>,
    closeLastLine: boolean,
  ) {
    let length = closeLastLine ? 1 : 0;
    const count = () => {
      length++;
    };
    scanWords(text, this.separatePunctuation, count, count);
    const ids = allocate(length);
    const unknown = this.unknownId!;
    const lineEnd = this.lineEndId!;
    let at = 0;
    const onWord = (word: string) => {
      ids[at++] = this.#ids.get(word) ?? unknown;
    };
    const onLineEnd = () => {
      ids[at++] = lineEnd;
    };
    scanWords(text, this.separatePunctuation, onWord, onLineEnd);
    if (closeLastLine) ids[at] = lineEnd;
    return ids;
  }
}
