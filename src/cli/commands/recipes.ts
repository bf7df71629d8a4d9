/** `timernn recipes`: the recipes that come with the package. Needs no addon. */
import { dataFiles } from '../../recipes/data.js';
import {
  dropoutWords,
  figure,
  modelWords,
  perplexities,
  publishedWords,
  startWords,
  targetWords,
  trainingWords,
} from '../../recipes/describe.js';
import { loadRecipes } from '../../recipes/load.js';
import { dynamicName } from '../../recipes/measure.js';
import type { Measured, Recipe } from '../../recipes/schema.js';
import { newCommand, type Register } from '../command.js';
import { clock, count, printable } from '../format.js';
import { abilities, jsonLine, print } from '../output.js';
import { findRecipe } from '../recipe.js';
import { block, commandLine } from '../reporters.js';

/** The one figure by which a recipe is judged: the test's, where there is a test. */
const headline = (figures: Parameters<typeof perplexities>[0], print: (value: number) => string): string => {
  const first = perplexities(figures)[0];
  return first === undefined ? '–' : print(first[1]);
};

/** Rows as columns; numbers to the right. */
function table(rows: readonly (readonly string[])[], right: ReadonlySet<number>): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (right.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)));
  return rows.map((row) => `${line(row).join('  ').trimEnd()}\n`).join('');
}

function listing(recipes: readonly Recipe[]): string {
  const head = ['name', 'model', 'published', 'target', 'measured', 'took'];
  const rows = recipes.map((recipe) => [
    recipe.name,
    modelWords(recipe),
    String(recipe.source?.perplexity ?? '–'),
    headline(recipe.target, String),
    headline(recipe.measured, figure),
    recipe.measured === null ? '–' : clock(recipe.measured.seconds),
  ]);
  return table([head, ...rows], new Set([2, 3, 4, 5]));
}

function measuredLines(measured: Measured): string[] {
  const plain = perplexities(measured).map(([name, value]) => `${figure(value)} (${name})`);
  const dynamic = (measured.dynamic ?? []).map((one) => {
    const values = perplexities(one).map(([name, value]) => `${figure(value)} (${name})`);
    return `${values.join(', ')}, ${dynamicName(one.options as Parameters<typeof dynamicName>[0])}`;
  });
  const took = `${clock(measured.seconds)}, ${measured.epochs} epochs, ${count(measured.parameters)} parameters`;
  return [plain.join(', '), ...dynamic, `${took}; ${measured.machine}; ${measured.date}, version ${measured.version}`];
}

/** @param name - as it was typed: a name or a file */
function details(name: string, recipe: Recipe, columns: number): string {
  const facts: [string, string][] = [
    ['model', modelWords(recipe)],
    ['dropout', dropoutWords(recipe)],
    ['weights', startWords(recipe)],
    ['training', trainingWords(recipe)],
    ['data', dataFiles(recipe.data).join(', ')],
    ['published', publishedWords(recipe)],
    ...[recipe.source?.url, recipe.source?.note].flatMap((line): [string, string][] =>
      line === undefined ? [] : [['', line]],
    ),
    ['target', targetWords(recipe)],
    ...(recipe.measured === null
      ? ([['measured', 'not yet']] as [string, string][])
      : measuredLines(recipe.measured).map((line, index): [string, string] => [index === 0 ? 'measured' : '', line])),
  ];
  const body = facts.flatMap(([name, value]) => {
    const [first = '', ...rest] = block(value, columns, ' '.repeat(11));
    return [name.padEnd(11) + first.slice(11), ...rest];
  });
  // Not broken: it is there to be copied.
  const command = `command    ${printable(commandLine(['timernn', 'train', '--recipe', name, '--data', 'DIR']))}`;
  const heading = printable(`${recipe.name}: ${recipe.title}`);
  return `${[heading, '', ...block(recipe.description, columns, ''), '', ...body, command].join('\n')}\n`;
}

async function action(name: string | undefined, flags: { json?: boolean }): Promise<void> {
  if (name !== undefined) {
    const recipe = await findRecipe('name', name);
    await print(flags.json ? jsonLine(recipe) : details(name, recipe, abilities(process.stdout).columns));
    return;
  }
  const recipes = await loadRecipes();
  if (flags.json) {
    for (const recipe of recipes) await print(jsonLine(recipe));
    return;
  }
  await print(listing(recipes));
  await print('\nPerplexity of the test set where there is one. More of one: timernn recipes NAME\n');
}

export const recipes: Register = (program) => {
  newCommand(program, 'recipes', 'List models to train by a recipe: what was published, what is reached here.', [
    ['recipes', 'all of them, in a table'],
    ['recipes lstm-100', 'one of them, with its source and settings'],
    ['train --recipe lstm-100 --data ptb', 'train one'],
    ['recipes --json', 'for programs, one object a line'],
  ])
    .argument('[name]', 'a recipe, or the path of a .json file')
    .option('--json', 'print JSON, one recipe a line')
    .action(action);
};
