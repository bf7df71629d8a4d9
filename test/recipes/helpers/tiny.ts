/** A recipe that trains in a moment, and the three files of its text. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const LINES = ['the whale swims in the sea', 'the ship sails on the sea', 'the captain hates the white whale'];

const text = (lines: number, from: number): string =>
  Array.from({ length: lines }, (_, index) => `${LINES[(index + (index >> 2) + from) % 3]}\n`).join('');

/** Train, validation and test text, in words with an `<eos>` a line. */
export const TEXTS = { train: text(300, 0), valid: text(40, 1), test: text(40, 2) };

/** Tokens as they are counted: words and line ends. */
export const tokensOf = (part: string): number =>
  part.split(/\s+/).filter(Boolean).length + part.split('\n').length - 1;

/** As JSON would give it: a fresh object each time. */
export function tinyRecipe(): Record<string, unknown> {
  return {
    name: 'tiny',
    title: 'A tiny RNN',
    description: 'For tests.',
    source: { citation: 'Nobody 2030', url: 'https://example.org/', perplexity: 12.5, split: 'test' },
    target: { testPerplexity: 100 },
    data: {
      kind: 'files',
      unit: 'word',
      train: 'train.txt',
      valid: 'valid.txt',
      test: 'test.txt',
      vocabulary: 13,
      tokens: { train: tokensOf(TEXTS.train), valid: tokensOf(TEXTS.valid), test: tokensOf(TEXTS.test) },
    },
    model: { embedding: 4, layers: [{ cell: 'rnn', size: 8 }] },
    train: { streams: 4, window: 8, epochs: 3, learningRate: 0.5, clip: 1 },
    seed: 7,
    evaluate: { dynamic: [{ learningRate: 0.05, window: 5 }] },
    measured: null,
  };
}

/** Writes the texts, and the recipe as `tiny.json`. */
export async function writeTiny(
  folder: string,
  change: (recipe: Record<string, unknown>) => void = () => {},
): Promise<void> {
  const recipe = tinyRecipe();
  change(recipe);
  await writeFile(join(folder, 'tiny.json'), JSON.stringify(recipe));
  for (const [part, content] of Object.entries(TEXTS)) await writeFile(join(folder, `${part}.txt`), content);
}
