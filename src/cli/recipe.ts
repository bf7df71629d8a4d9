/** A recipe that the command line names. Refuses to do: running it. */
import { TimeRNNError } from '../errors.js';
import { loadRecipe } from '../recipes/load.js';
import type { Recipe } from '../recipes/schema.js';
import { UsageError } from './failures.js';

/**
 * An unknown name is a mistake in the arguments, with the names that exist.
 *
 * @param where - the option or argument that names it
 * @throws UsageError; ERR_TIMERNN_FILE, ERR_TIMERNN_FORMAT
 */
export async function findRecipe(where: string, name: string): Promise<Recipe> {
  try {
    return await loadRecipe(name);
  } catch (error) {
    if (!(error instanceof TimeRNNError) || error.code !== 'ERR_TIMERNN_OPTION') throw error;
    throw new UsageError(`${where}: ${error.message.replace('Expected recipe to be', 'expected')}`);
  }
}
