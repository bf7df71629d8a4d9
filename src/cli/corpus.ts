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
