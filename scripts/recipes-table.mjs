/**
 * Writes the table of docs/recipes/README.md from the recipes, and takes measured figures into them.
 *
 *   node scripts/recipes-table.mjs                             writes the table
 *   node scripts/recipes-table.mjs --check                     fails where the table is not that of the recipes, or figures
 *                                                              were measured with other settings than the recipe's
 *   node scripts/recipes-table.mjs --measured results.json …   first copies the block `measured` of each run into its recipe
 *
 * Needs a built dist/ (npm run build:ts).
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { figure, modelWords, perplexities, targetReached } from '../dist/recipes/describe.js';
import { loadRecipes, recipesFolder } from '../dist/recipes/load.js';
import { dynamicName } from '../dist/recipes/measure.js';
import { parseRecipe } from '../dist/recipes/schema.js';
import { root } from './checks.mjs';

const PAGE = join(root, 'docs', 'recipes', 'README.md');
const START = '<!-- recipes: written by scripts/recipes-table.mjs -->';
const END = '<!-- recipes: end -->';
const SPLITS = { train: 'training', valid: 'validation', test: 'test' };

const fileOf = (name) => join(recipesFolder(), `${name}.json`);

/** Whatever figures depend on. */
const settingsOf = ({ data, model, train, seed = 1, evaluate }) => ({ data, model, train, seed, evaluate });

const sorted = (_, value) =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** The same for the same settings, in whatever order they are written. */
const digestOf = (settings) => createHash('sha256').update(JSON.stringify(settings, sorted)).digest('hex').slice(0, 16);

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Copies what a run measured into the recipe that it ran, which is checked before it is written. */
function take(path) {
  const { recipe: name, measured, asked, train } = readJson(path);
  if (asked === undefined)
    throw new Error(`Expected ${path} to say what was asked, got a file of an older version: run it with --resume`);
  const file = fileOf(name);
  const recipe = readJson(file);
  const wanted = settingsOf(recipe);
  const { seed, ...options } = train;
  for (const [key, ran] of Object.entries(settingsOf({ ...asked, train: options, seed }))) {
    if (isDeepStrictEqual(ran, wanted[key])) continue;
    const [now, then] = [wanted[key], ran].map((value) => JSON.stringify(value));
    throw new Error(`Expected ${path} to be of a run with the ${key} of ${file}, ${now}, got ${then}`);
  }
  recipe.measured = { ...measured, settings: digestOf(wanted) };
  parseRecipe(recipe, file);
  writeFileSync(file, `${JSON.stringify(recipe, null, 2)}\n`);
  console.log(`${name}: measured figures of ${path}`);
}

/** Figures belong to the settings that they were measured with. Says of which recipes they do not. */
const stale = (recipes) =>
  recipes.filter(
    ({ name, measured: found }) => found !== null && found.settings !== digestOf(settingsOf(readJson(fileOf(name)))),
  );

const cell = (text) => text.replaceAll('|', '\\|');
const link = ({ name }) => `[\`${name}\`](../../recipes/${name}.json)`;

function published({ source }) {
  if (typeof source?.perplexity !== 'number') return '–';
  const split = source.split === 'test' ? '' : ` (${SPLITS[source.split]})`;
  return `[${source.perplexity}](${source.url})${split}`;
}

const all = (figures, print = figure) =>
  perplexities(figures)
    .map(([split, value]) => `${print(value)}${split === 'test' ? '' : ` (${split})`}`)
    .join(', ') || '–';

function measured(recipe) {
  const { measured: found } = recipe;
  if (found === null) return '–';
  const dynamic = (found.dynamic ?? []).map((one) => `; ${dynamicName(one.options).replace(/,.*/, '')} ${all(one)}`);
  const reached = targetReached(recipe, found);
  const figures = reached ? `**${all(found)}**` : `${all(found)}${reached === false ? '; target missed' : ''}`;
  return `${figures}${dynamic.join('')}`;
}

function time({ measured: found }) {
  if (found === null) return '–';
  const minutes = found.seconds / 60;
  if (minutes < 1) return `${Math.round(found.seconds)} s`;
  return minutes < 100 ? `${Math.round(minutes)} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** What is kept of the measured run: a JSON line an epoch, and the curve. */
function record({ name, measured: found }) {
  if (found === null) return '–';
  for (const kind of ['jsonl', 'svg']) {
    const file = join(root, 'docs', 'recipes', 'runs', `${name}.${kind}`);
    if (!existsSync(file)) throw new Error(`Expected ${file}, the record of the run that ${name} was measured in`);
  }
  return `[log](runs/${name}.jsonl), [curve](runs/${name}.svg)`;
}

function table(recipes) {
  const rows = recipes.map((recipe) => [
    link(recipe),
    modelWords(recipe),
    published(recipe),
    all(recipe.target, String),
    measured(recipe),
    time(recipe),
    String(recipe.measured?.seed ?? '–'),
    record(recipe),
    recipe.measured?.machine ?? '–',
  ]);
  const head = ['Recipe', 'Model', 'Published', 'Target', 'Measured', 'Training', 'Seed', 'Record', 'On'];
  const lines = [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`);
  return lines.join('\n');
}

const args = process.argv.slice(2);
const check = args.includes('--check');
if (args[0] === '--measured') for (const path of args.slice(1)) take(path);

const recipes = await loadRecipes();
const page = readFileSync(PAGE, 'utf8');
const [before, rest] = page.split(START);
const after = rest?.split(END)[1];
if (after === undefined) throw new Error(`Expected ${PAGE} to have the lines ${START} and ${END}`);
const next = `${before}${START}\n\n${table(recipes)}\n\n${END}${after}`;
for (const { name } of stale(recipes)) {
  console.error(
    `Expected the figures of ${name} to be measured with the settings that it has, got those of others: run it again`,
  );
  process.exitCode = 1;
}
if (check && next !== page) {
  console.error('docs/recipes/README.md is not that of the recipes: run node scripts/recipes-table.mjs');
  process.exitCode = 1;
} else if (next !== page) writeFileSync(PAGE, next);
