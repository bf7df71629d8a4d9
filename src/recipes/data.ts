/**
 * The text of a recipe: training, validation and test part, counted before anything is trained. A perplexity means
 * something only beside others on the same tokens, so a text with other counts is refused, not warned about.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Corpus } from '../data/corpus.js';
import { TimeRNNError } from '../errors.js';
import type { Recipe, RecipeData } from './schema.js';

/** The parts of a text. What a recipe lacks is left out. */
export interface RecipeCorpora {
  train: Corpus;
  valid?: Corpus;
  test?: Corpus;
}

type Part = keyof RecipeCorpora;
type Files = Extract<RecipeData, { kind: 'files' }>;

/** The Penn Treebank as Mikolov prepared it: every line ends in `<eos>`, which counts, and `<unk>` is written out. */
const PTB: Files = {
  kind: 'files',
  unit: 'word',
  train: 'ptb.train.txt',
  valid: 'ptb.valid.txt',
  test: 'ptb.test.txt',
  vocabulary: 10_000,
  tokens: { train: 929_589, valid: 73_760, test: 82_430 },
};

const number = (value: number): string => value.toLocaleString('en-GB');

/** Names of the files that a recipe reads from its data folder. */
export function dataFiles(data: RecipeData): string[] {
  if (data.kind === 'split') return [data.file];
  const { train, valid, test } = data.kind === 'ptb' ? PTB : data;
  if (data.kind === 'ptb' && data.first !== undefined) return [train];
  return [train, valid, test].filter((file) => file !== undefined);
}

/** @throws ERR_TIMERNN_FILE naming all files that are missing, since one alone would come back file by file */
async function checkPresent(files: readonly string[], folder: string): Promise<void> {
  const found = await Promise.all(files.map((file) => stat(join(folder, file)).catch(() => undefined)));
  const missing = files.filter((_, index) => found[index]?.isFile() !== true);
  if (missing.length === 0) return;
  const there = await stat(folder).catch(() => undefined);
  const without = `one without ${missing.join(', ')}`;
  const got = there === undefined ? 'no folder of that name' : there.isDirectory() ? without : 'a file';
  throw new TimeRNNError('ERR_TIMERNN_FILE', `Expected the folder ${folder} to hold ${files.join(', ')}, got ${got}`);
}

function refuse(what: string, expected: number, got: number, hint: string): never {
  throw new TimeRNNError('ERR_TIMERNN_CORPUS', `Expected ${what} ${number(expected)}, got ${number(got)}${hint}`);
}

function partNames(data: Exclude<RecipeData, { kind: 'ptb' }>): Partial<Record<Part, string | undefined>> {
  if (data.kind === 'files') return { train: data.train, valid: data.valid, test: data.test };
  const of = (part: string) => `the ${part} part of ${data.file}`;
  return { train: of('training'), valid: of('validation'), test: of('test') };
}

/** Compares counts with what the recipe was written for. */
function checkCounts(corpora: RecipeCorpora, data: Exclude<RecipeData, { kind: 'ptb' }>, hint: string): void {
  const names = partNames(data);
  for (const part of ['train', 'valid', 'test'] as const) {
    const expected = data.tokens?.[part];
    const got = corpora[part]?.length;
    if (expected !== undefined && got !== undefined && got !== expected) {
      refuse(`the number of tokens in ${names[part]} to be`, expected, got, hint);
    }
  }
  const { size } = corpora.train.vocabulary;
  if (data.vocabulary !== undefined && size !== data.vocabulary) {
    refuse(`the vocabulary of ${names.train} to have`, data.vocabulary, size, hint);
  }
}

async function readFiles(data: Files, folder: string): Promise<RecipeCorpora> {
  const train = await Corpus.fromFile(join(folder, data.train), { unit: data.unit });
  const { vocabulary } = train;
  const read = (file: string) => Corpus.fromFile(join(folder, file), { vocabulary });
  return {
    train,
    ...(data.valid === undefined ? {} : { valid: await read(data.valid) }),
    ...(data.test === undefined ? {} : { test: await read(data.test) }),
  };
}

async function readSplit(data: Extract<RecipeData, { kind: 'split' }>, folder: string): Promise<RecipeCorpora> {
  const whole = await Corpus.fromFile(join(folder, data.file), { unit: 'char' });
  const held = data.valid + data.test;
  if (held === 0) return { train: whole };
  const { train, heldOut } = whole.split({ heldOut: held });
  if (data.test === 0) return { train, valid: heldOut };
  if (data.valid === 0) return { train, test: heldOut };
  const parts = heldOut.split({ heldOut: data.test / held });
  return { train, valid: parts.train, test: parts.heldOut };
}

/** The first tokens alone, with a vocabulary of their own: ids that never occur would only make the softmax wider. */
function firstTokens(corpus: Corpus, first: number): Corpus {
  const part = corpus.vocabulary.decode(corpus.tokens.subarray(0, first));
  const { tokens, vocabulary } = Corpus.fromText(part, { unit: 'word' });
  return Corpus.fromTokens(tokens.subarray(0, first), { vocabulary });
}

/**
 * Reads and counts the text of a recipe.
 *
 * @throws ERR_TIMERNN_FILE for a missing file, ERR_TIMERNN_CORPUS for text with other counts than the recipe's
 */
export async function loadRecipeData({ data }: Pick<Recipe, 'data'>, folder: string): Promise<RecipeCorpora> {
  await checkPresent(dataFiles(data), folder);
  if (data.kind === 'split') {
    const corpora = await readSplit(data, folder);
    checkCounts(corpora, data, '');
    return corpora;
  }
  if (data.kind === 'files') {
    const corpora = await readFiles(data, folder);
    checkCounts(corpora, data, '');
    return corpora;
  }
  const hint =
    '; this recipe needs the Penn Treebank as Mikolov prepared it: small letters, N for numbers, 10,000 words with <unk>';
  if (data.first === undefined) {
    const corpora = await readFiles(PTB, folder);
    checkCounts(corpora, PTB, hint);
    return corpora;
  }
  const { valid: _, test: __, ...trainOnly } = PTB;
  const corpora = await readFiles(trainOnly, folder);
  checkCounts(corpora, PTB, hint);
  return { train: firstTokens(corpora.train, data.first) };
}
