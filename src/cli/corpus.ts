/** Text files as corpora, with messages for a person at a terminal. */
import type { Corpus, CorpusFileOptions } from '../data/corpus.js';
import { TimeRNNError } from '../errors.js';
import { loadLibrary } from './command.js';

/** @throws ERR_TIMERNN_VOCABULARY for a model of bare integers; ERR_TIMERNN_FILE, ERR_TIMERNN_CORPUS */
export async function loadCorpus(file: string, options: CorpusFileOptions): Promise<Corpus> {
  if (options.vocabulary?.unit === 'token') {
    throw new TimeRNNError(
      'ERR_TIMERNN_VOCABULARY',
      'Expected a model of characters or words to read text with, got one of bare integers; use the library for it',
    );
  }
  const { Corpus } = await loadLibrary();
  return Corpus.fromFile(file, options);
}

/** Share of unknown tokens, beyond those that are usual, from which a perplexity says little. */
export const MANY_UNKNOWN = 0.03;

/** How many tokens of a text its vocabulary lacks. */
export function countUnknown({ tokens, vocabulary }: Corpus): number {
  let unknown = 0;
  for (const id of tokens) if (id === vocabulary.unknownId) unknown++;
  return unknown;
}
