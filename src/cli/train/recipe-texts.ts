/**
 * What a recipe's texts are looked at for before anything is trained: words that the vocabulary lacks, and whether the test
 * text of a run that goes on is the one that it began with. The trainer itself knows of training and validation text.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../checkpoint/atomic-write.js';
import type { Corpus } from '../../data/corpus.js';
import { TimeRNNError } from '../../errors.js';
import type { RecipeCorpora } from '../../recipes/data.js';
import { type CorpusIdentity, identifyCorpus } from '../../train/identity.js';
import { countUnknown, MANY_UNKNOWN } from '../corpus.js';
import { count, tokenNoun } from '../format.js';

const FILE = 'recipe.json';

const unknownShare = (corpus: Corpus): number => countUnknown(corpus) / Math.max(1, corpus.length);

/** Texts of a recipe whose perplexity will say little, in words. A text may have its own `<unk>`, as the training text then has. */
export function unknownWarnings({ train, valid, test }: RecipeCorpora): string[] {
  const usual = unknownShare(train);
  return [['validation', valid] as const, ['test', test] as const].flatMap(([name, corpus]) => {
    const share = corpus === undefined ? 0 : unknownShare(corpus);
    if (share <= usual + MANY_UNKNOWN) return [];
    const noun = tokenNoun(train.vocabulary.unit);
    return `Warning: ${(100 * share).toFixed(0)} % of the ${noun} of the ${name} text are not in the vocabulary of the training text; all of them count as one token, so its perplexity says little.`;
  });
}

/**
 * Leaves a note of the test text in the folder of a run, or compares it with the one that is there.
 *
 * @throws ERR_TIMERNN_OPTION where a run that goes on began with another test text; ERR_TIMERNN_FILE
 */
export async function checkTestText(directory: string, { test }: RecipeCorpora, resume: boolean): Promise<void> {
  if (test === undefined) return;
  const now = await identifyCorpus(test);
  const path = join(directory, FILE);
  const text = resume ? await readFile(path, 'utf8').catch(() => undefined) : undefined;
  let before: CorpusIdentity | undefined;
  try {
    before = text === undefined ? undefined : (JSON.parse(text) as { test?: CorpusIdentity }).test;
  } catch {
    // A note that cannot be read says nothing against the text; it is written anew.
  }
  if (typeof before?.sha256 === 'string' && before.sha256 !== now.sha256) {
    const { tokens, sha256 } = before;
    const was = `${Number.isInteger(tokens) ? `${count(tokens)} tokens, ` : ''}SHA-256 ${sha256.slice(0, 12)}…`;
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected the test text to be that of the run in ${directory} (${was}), got ${count(now.tokens)} tokens, SHA-256 ${now.sha256.slice(0, 12)}…`,
    );
  }
  await writeFileAtomic(path, [Buffer.from(`${JSON.stringify({ test: now }, null, 2)}\n`)]);
}
