/** `timernn generate`: text from a model, to stdout as it is made. */
import { loadLibrary, newCommand, type Register } from '../command.js';
import { UsageError } from '../failures.js';
import { integerOption, numberOption } from '../options.js';
import { print } from '../output.js';

interface Flags {
  prompt?: string;
  length: number;
  temperature: number;
  topK: number;
  seed?: number;
}

async function action(modelPath: string, flags: Flags): Promise<void> {
  const { LanguageModel } = await loadLibrary();
  const model = await LanguageModel.load(modelPath);
  if (!flags.prompt && model.vocabulary.lineEndId === undefined) {
    throw new UsageError('--prompt: expected some text, since this model knows no line end to start from');
  }
  const { prompt, length, temperature, topK } = flags;
  const seed = flags.seed ?? Math.floor(Math.random() * 2 ** 32);
  if (prompt !== undefined) await print(prompt);
  let last = '';
  const options = { length, temperature, topK, seed, ...(prompt === undefined ? {} : { prompt }) };
  for await (const piece of model.generate(options)) {
    await print(piece);
    last = piece || last;
  }
  if (!last.endsWith('\n')) await print('\n');
}

export const generate: Register = (program) => {
  newCommand(program, 'generate', 'Write text with a model, to standard output as it is made.', [
    ['generate model.safetensors --prompt "Call me "', 'go on from a beginning'],
    ['generate model.safetensors --length 1000 --temperature 0.7', 'longer, and more careful'],
    ['generate model.safetensors --seed 7 --top-k 20', 'the same text each time'],
  ])
    .argument('<model>', 'a saved model (.safetensors)')
    .option('-p, --prompt <text>', 'the text to continue (default: the start of a line)')
    .addOption(integerOption('-n, --length <tokens>', 'characters or words to write', { default: 500 }))
    .addOption(
      numberOption('-t, --temperature <x>', '1 as learnt, less is more careful, 0 takes the likeliest', {
        min: 0,
        default: 1,
      }),
    )
    .addOption(
      integerOption('-k, --top-k <n>', 'choose among the n likeliest tokens only; 0 for all', { min: 0, default: 0 }),
    )
    .addOption(integerOption('--seed <n>', 'same seed, same text (default: another each time)', { min: 0 }))
    .action(action);
};
