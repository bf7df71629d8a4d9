/**
 * Finds recipes: those that come with the package, by name, and anybody's own, by path.
 * Refuses to do: running them.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TimeRNNError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { parseRecipe, type Recipe } from './schema.js';

const SUFFIX = '.json';

/** The folder of the recipes that come with the package. */
export const recipesFolder = (): string => join(packageRoot(dirname(fileURLToPath(import.meta.url))), 'recipes');

/** Names of the recipes that come with the package, sorted. */
export async function recipeNames(folder = recipesFolder()): Promise<string[]> {
  const files = await readdir(folder);
  return files
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => basename(file, SUFFIX))
    .sort();
}

/** @throws ERR_TIMERNN_FILE, ERR_TIMERNN_FORMAT */
async function readRecipe(path: string): Promise<Recipe> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const got = (cause as Error).message;
    throw new TimeRNNError('ERR_TIMERNN_FILE', `Expected the recipe ${path} to be readable, got ${got}`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new TimeRNNError('ERR_TIMERNN_FORMAT', `${path}: Expected JSON, got something else: ${reason}`, { cause });
  }
  return parseRecipe(value, path);
}

/**
 * A recipe by its name, or by the path of a `.json` file.
 *
 * @throws ERR_TIMERNN_OPTION for an unknown name, with those that exist; ERR_TIMERNN_FILE; ERR_TIMERNN_FORMAT
 */
export async function loadRecipe(nameOrPath: string): Promise<Recipe> {
  if (nameOrPath.endsWith(SUFFIX)) return readRecipe(nameOrPath);
  const names = await recipeNames();
  if (!names.includes(nameOrPath)) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected recipe to be one of ${names.join(', ')}, or the path of a .json file, got ${JSON.stringify(nameOrPath)}`,
    );
  }
  const recipe = await readRecipe(join(recipesFolder(), nameOrPath + SUFFIX));
  if (recipe.name !== nameOrPath) {
    const file = nameOrPath + SUFFIX;
    throw new TimeRNNError('ERR_TIMERNN_FORMAT', `${file}: Expected name to be "${nameOrPath}", got "${recipe.name}"`);
  }
  return recipe;
}

/** Every recipe that comes with the package, sorted by name. */
export async function loadRecipes(): Promise<Recipe[]> {
  return Promise.all((await recipeNames()).map(loadRecipe));
}
