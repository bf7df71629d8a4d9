/** The text of a recipe: its parts, and what is refused because figures on it could not be compared. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { dataFiles, loadRecipeData } from '#src/recipes/data.js';
import type { RecipeData } from '#src/recipes/schema.js';
import { TEXTS, tinyRecipe, tokensOf, writeTiny } from './helpers/tiny.js';

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'timernn-recipe-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const tinyData = (): Extract<RecipeData, { kind: 'files' }> => tinyRecipe().data as never;

test('three files: one vocabulary, that of the training file, and an <eos> at each line’s end', async (t) => {
  const folder = await folderOf(t);
  await writeTiny(folder);
  const { train, valid, test: held } = await loadRecipeData({ data: tinyData() }, folder);
  t.is(train.length, tokensOf(TEXTS.train));
  t.is(valid?.length, tokensOf(TEXTS.valid));
  t.is(held?.vocabulary.hash, train.vocabulary.hash);
});

test('other counts than the recipe’s are refused, with both', async (t) => {
  const folder = await folderOf(t);
  await writeTiny(folder);
  const data = tinyData();
  const refused = (change: Partial<typeof data>, message: string | RegExp) =>
    t.throwsAsync(loadRecipeData({ data: { ...data, ...change } }, folder), { code: 'ERR_TIMERNN_CORPUS', message });
  await refused(
    { tokens: { train: 9999 } },
    `Expected the number of tokens in train.txt to be 9,999, got ${tokensOf(TEXTS.train).toLocaleString('en-GB')}`,
  );
  await refused(
    { tokens: { train: tokensOf(TEXTS.train), test: 3 } },
    /^Expected the number of tokens in test\.txt to be 3, got/,
  );
  await refused({ vocabulary: 10_000 }, 'Expected the vocabulary of train.txt to have 10,000, got 13');
});

test('the Penn Treebank is told by its counts; another text of that name is refused with a hint', async (t) => {
  const folder = await folderOf(t);
  for (const file of dataFiles({ kind: 'ptb' })) await writeFile(join(folder, file), TEXTS.train);
  await t.throwsAsync(loadRecipeData({ data: { kind: 'ptb' } }, folder), {
    code: 'ERR_TIMERNN_CORPUS',
    message:
      /^Expected the number of tokens in ptb\.train\.txt to be 929,589, got [\d,]+; this recipe needs the Penn Treebank/,
  });
});

test('missing files are named, all of them', async (t) => {
  const folder = await folderOf(t);
  await writeFile(join(folder, 'ptb.valid.txt'), 'x\n');
  await t.throwsAsync(loadRecipeData({ data: { kind: 'ptb' } }, folder), {
    code: 'ERR_TIMERNN_FILE',
    message:
      /to hold ptb\.train\.txt, ptb\.valid\.txt, ptb\.test\.txt, got one without ptb\.train\.txt, ptb\.test\.txt$/,
  });
  await t.throwsAsync(loadRecipeData({ data: { kind: 'ptb' } }, join(folder, 'none')), {
    code: 'ERR_TIMERNN_FILE',
    message: /^Expected the folder .*none to hold ptb\.train\.txt, .*, got no folder of that name$/,
  });
});

test('one file is cut in three, in its order', async (t) => {
  const folder = await folderOf(t);
  await writeFile(join(folder, 'x.txt'), 'a'.repeat(80) + 'b'.repeat(10) + 'c'.repeat(10));
  const {
    train,
    valid,
    test: held,
  } = await loadRecipeData(
    { data: { kind: 'split', file: 'x.txt', valid: 0.1, test: 0.1, vocabulary: 4, tokens: { train: 80 } } },
    folder,
  );
  const textOf = (corpus: typeof train | undefined) => corpus?.vocabulary.decode(corpus.tokens);
  t.deepEqual([train, valid, held].map(textOf), ['a'.repeat(80), 'b'.repeat(10), 'c'.repeat(10)]);
  const alone = await loadRecipeData({ data: { kind: 'split', file: 'x.txt', valid: 0, test: 0 } }, folder);
  t.deepEqual([alone.train.length, alone.valid, alone.test], [100, undefined, undefined]);
});
