/** `timernn train`: a language model from a text file, or by a recipe. */
import { newCommand, type Register } from '../command.js';
import { UsageError } from '../failures.js';
import { checkRecipeFlags, type TrainFlags, type Typed } from '../train/flags.js';
import { addTrainOptions } from '../train/option-groups.js';

async function action(file: string | undefined, flags: TrainFlags, command: Typed): Promise<void> {
  if (flags.recipe !== undefined) {
    checkRecipeFlags(file, flags, command);
    const { trainRecipe } = await import('../train/recipe-run.js');
    return trainRecipe(flags, command);
  }
  if (file === undefined) {
    throw new UsageError("missing required argument 'file': expected a text, or --recipe <name> with --data <dir>");
  }
  const { trainText } = await import('../train/text-run.js');
  await trainText(file, flags, command);
}

export const train: Register = (program) => {
  const command = newCommand(
    program,
    'train',
    'Train a language model on a text file, or by a recipe. Ctrl-C saves it.',
    [
      ['train book.txt', 'a character model, saved as model.safetensors'],
      ['train book.txt --unit word --vocabulary-size 10000', 'a word model'],
      ['train book.txt --cell lstm --size 512', 'with a longer memory'],
      ['train book.txt --size 512 --epochs 10 --decay 0.9', 'larger, longer, with a falling learning rate'],
      ['train book.txt --cell lstm --dropout 0.5 --tied', 'regularised, for small texts'],
      ['train book.txt --report report.html', 'with curves and samples as a web page'],
      ['train book.txt --run runs/book', 'recorded; the same with --resume goes on exactly'],
      ['train book.txt --from model.safetensors', 'go on with a saved model'],
      ['train book.txt --json | jq .perplexity', 'for programs'],
      ['train --recipe lstm-100 --data ptb', 'repeat a published model; see: timernn recipes'],
    ],
  ).argument('[file]', 'a UTF-8 text');
  addTrainOptions(command).action(action);
};
