/**
 * How text becomes tokens: the options and their checks.
 * Refuses to do: anything with text.
 */
import { describe, TimeRNNError } from '../errors.js';

/** What a token is: a Unicode code point, a word, or a bare integer that the caller gives a meaning. */
export type Unit = 'char' | 'word' | 'token';

/** How text becomes tokens. */
export interface TextOptions {
  /** What a token is. */
  unit: 'char' | 'word';
  /** Turns the text to lower case first. @default false */
  lowercase?: boolean;
  /**
   * Words only: makes each punctuation mark and symbol a word of its own. An apostrophe between letters and a point or
   * comma between digits stay inside their word.
   * @default false
   */
  separatePunctuation?: boolean;
}

/** How a vocabulary is made from text. */
export interface VocabularyOptions extends TextOptions {
  /**
   * Most tokens the vocabulary may have, `<unk>` and `<eos>` included; the rarest give way. At least 2.
   * @default no limit
   */
  vocabularySize?: number;
}

/** @throws ERR_TIMERNN_OPTION unless the options say how to read text. */
export function checkTextOptions(options: TextOptions): Required<TextOptions> {
  if (typeof options !== 'object' || options === null) {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected options to be an object, got ${describe(options)}`);
  }
  const { unit, lowercase = false, separatePunctuation = false } = options;
  if (unit !== 'char' && unit !== 'word') {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected unit to be 'char' or 'word', got ${describe(unit)}`);
  }
  for (const [name, value] of Object.entries({ lowercase, separatePunctuation })) {
    if (typeof value !== 'boolean') {
      throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected ${name} to be a boolean, got ${describe(value)}`);
    }
  }
  if (separatePunctuation && unit === 'char') {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', "Expected separatePunctuation to be false with unit 'char', got true");
  }
  return { unit, lowercase, separatePunctuation };
}
