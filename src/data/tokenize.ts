/**
 * Cuts text into characters or words, in passes over the string that never build an array of all tokens.
 * Refuses to do: anything with ids (see `vocabulary.ts`) or files (see `tokenize-worker.ts`).
 */

/** Stands for every token that the vocabulary lacks. */
export const UNKNOWN = '<unk>';
/** Ends a line in word vocabularies. */
export const END_OF_LINE = '<eos>';

const CODE_POINTS = 0x110000;
const NEWLINE = 10;

/**
 * A word: anything but white space, punctuation and symbols, with an apostrophe between letters (don't) and a point or
 * comma between digits (3,000.5) kept inside. Any other punctuation mark or symbol is a word of its own.
 */
const WORD_PATTERN =
  /<unk>|<eos>|(?:[^\s\p{P}\p{S}]|(?<=\p{L}\p{M}*)['’](?=\p{L})|(?<=\p{N})[.,](?=\p{N}))+|[\p{P}\p{S}]/gu;
const PLAIN_WORD = /^[\p{L}\p{M}\p{N}]+$/u;
const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** Whether the string holds half of a surrogate pair, which no UTF-8 file can carry. */
export function hasLoneSurrogate(text: string): boolean {
  return LONE_SURROGATE.test(text);
}

/** Applies what is done to the text as a whole: lone surrogates become U+FFFD, letters lower case if asked. */
export function prepareText(text: string, lowercase: boolean): string {
  const wellFormed = hasLoneSurrogate(text) ? text.replace(LONE_SURROGATES, '\ufffd') : text;
  return lowercase ? wellFormed.toLowerCase() : wellFormed;
}

/** Whether the UTF-16 code unit is white space in the sense of JavaScript's `\s`. */
function isSpace(unit: number): boolean {
  if (unit < 0x80) return unit === 32 || (unit >= 9 && unit <= 13);
  if (unit === 0xa0 || unit === 0x1680 || unit === 0x3000 || unit === 0xfeff) return true;
  return unit >= 0x2000 && (unit <= 0x200a || unit === 0x2028 || unit === 0x2029 || unit === 0x202f || unit === 0x205f);
}

/**
 * Calls `onWord` for every word and `onLineEnd` for every `\n`, in order. Lines end at `\n` only; `\r` is white space.
 *
 * @param separatePunctuation - makes each punctuation mark and symbol a word of its own
 */
export function scanWords(
  text: string,
  separatePunctuation: boolean,
  onWord: (word: string) => void,
  onLineEnd: () => void,
): void {
  const emit = separatePunctuation ? (chunk: string) => splitChunk(chunk, onWord) : onWord;
  let start = -1;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (!isSpace(unit)) {
      if (start < 0) start = i;
      continue;
    }
    if (start >= 0) emit(text.slice(start, i));
    start = -1;
    if (unit === NEWLINE) onLineEnd();
  }
  if (start >= 0) emit(text.slice(start));
}

function splitChunk(chunk: string, onWord: (word: string) => void): void {
  if (PLAIN_WORD.test(chunk)) {
    onWord(chunk);
    return;
  }
  for (const match of chunk.matchAll(WORD_PATTERN)) onWord(match[0]);
}

/** Whether the last line lacks its `\n`. A corpus ends such a line too; a prompt does not. */
export function hasOpenLine(text: string): boolean {
  return text.length > 0 && text.charCodeAt(text.length - 1) !== NEWLINE;
}

/** How many code points a text has, and how often each occurs. `counts` is indexed by code point (17·2¹⁶ entries). */
export function countCharacters(text: string): { counts: Uint32Array; total: number } {
  const counts = new Uint32Array(CODE_POINTS);
  let total = 0;
  for (let i = 0; i < text.length; total++) {
    const code = text.codePointAt(i)!;
    counts[code]!++;
    i += code > 0xffff ? 2 : 1;
  }
  return { counts, total };
}

/** The number of code points of a text. */
export function characterLength(text: string): number {
  let total = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdbff || i + 1 === text.length) continue;
    const next = text.charCodeAt(i + 1);
    if (next >= 0xdc00 && next <= 0xdfff) {
      total--;
      i++;
    }
  }
  return total;
}

/** The different words of a text in order of first appearance, and how often each occurs. Line ends are not counted. */
export function countWords(text: string, separatePunctuation: boolean): Map<string, number> {
  const indices = new Map<string, number>();
  const counts: number[] = [];
  const onWord = (word: string) => {
    const index = indices.get(word);
    if (index !== undefined) counts[index]!++;
    else {
      // V8 keeps a slice as a pointer into its parent: copied, or one rare word would hold the whole text in memory.
      indices.set(Buffer.from(word).toString(), counts.length);
      counts.push(1);
    }
  };
  scanWords(text, separatePunctuation, onWord, () => {});
  for (const [word, index] of indices) indices.set(word, counts[index]!);
  return indices;
}

/**
 * The characters of a character vocabulary, sorted by code point; with a limit, the most frequent ones (among equals the lower code
 * point).
 */
export function rankCharacters(counts: Uint32Array, limit: number): string[] {
  const codes: number[] = [];
  for (let code = 0; code < counts.length; code++) if (counts[code]! > 0) codes.push(code);
  if (codes.length > limit) {
    codes.sort((a, b) => counts[b]! - counts[a]! || a - b);
    codes.length = limit;
    codes.sort((a, b) => a - b);
  }
  return codes.map((code) => String.fromCodePoint(code));
}

/** The words of a word vocabulary by descending frequency, ties by first appearance; the two special ones left out. */
export function rankWords(counts: ReadonlyMap<string, number>, limit: number): string[] {
  const entries = [...counts].filter(([word]) => word !== UNKNOWN && word !== END_OF_LINE);
  entries.sort((a, b) => b[1] - a[1]);
  return entries.slice(0, limit).map(([word]) => word);
}
