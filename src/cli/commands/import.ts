/** `timernn import`: a model out of a file with PyTorch's names and layouts. */
import { stat } from 'node:fs/promises';
import type { TextOptions } from '../../data/vocabulary.js';
import { TimeRNNError } from '../../errors.js';
import type { ImportOptions } from '../../exchange/pytorch-import.js';
import { readVocabulary } from '../../exchange/vocabulary-file.js';
import { loadLibrary, newCommand, type Register } from '../command.js';
import { UsageError } from '../failures.js';
import { checkWritable, expectOther } from '../files.js';
import { bytes, cellName, count } from '../format.js';
import { choiceOption } from '../options.js';
import { jsonLine, print } from '../output.js';

interface Flags {
  vocabulary?: string;
  ids?: boolean;
  unit?: 'char' | 'word';
  lowercase?: boolean;
  separatePunctuation?: boolean;
  activation?: 'tanh' | 'relu';
  tied?: boolean;
  json?: boolean;
}

/** @throws UsageError for options that have nothing to say something about */
function textOptions({ vocabulary, ids, unit, lowercase, separatePunctuation }: Flags): TextOptions | undefined {
  if (ids && vocabulary !== undefined) throw new UsageError('--ids: expected it without --vocabulary');
  if (unit !== undefined && vocabulary === undefined) {
    throw new UsageError('--unit: expected it together with --vocabulary');
  }
  if (unit !== undefined) {
    return { unit, ...(lowercase && { lowercase }), ...(separatePunctuation && { separatePunctuation }) };
  }
  const stray = lowercase ? 'lowercase' : separatePunctuation && 'separate-punctuation';
  if (stray) throw new UsageError(`--${stray}: expected it together with --unit`);
  return undefined;
}

/** Names the option that was typed where the library names its own. */
function inWordsOfThisCommand(error: unknown): unknown {
  if (!(error instanceof TimeRNNError)) return error;
  if (error.code === 'ERR_TIMERNN_VOCABULARY' && error.message.includes('so pass one')) {
    const message = error.message.replace(/so pass one.*$/s, 'so pass --vocabulary <from>, or --ids');
    return new TimeRNNError(error.code, message, { cause: error });
  }
  return error;
}

async function importOptions(flags: Flags): Promise<ImportOptions> {
  const text = textOptions(flags);
  const { vocabulary, ids, activation, tied } = flags;
  return {
    ...(ids && { vocabulary: 'ids' as const }),
    ...(vocabulary !== undefined && { vocabulary: await readVocabulary(vocabulary, text) }),
    ...(activation !== undefined && { activation }),
    ...(tied !== undefined && { tied }),
  };
}

async function action(file: string, out: string, flags: Flags): Promise<void> {
  textOptions(flags);
  const { importPyTorch } = await loadLibrary();
  await expectOther(file, out);
  await checkWritable('<out>', out);
  const options = await importOptions(flags);
  const model = await importPyTorch(file, options).catch((error: unknown) => {
    throw inWordsOfThisCommand(error);
  });
  await model.save(out);
  const { size } = await stat(out);
  const { spec, parameterCount: parameters, vocabulary } = model;
  if (flags.json) {
    await print(jsonLine({ file: out, bytes: size, parameters, spec }));
    return;
  }
  const layers = spec.layers.map((layer) => `${cellName(layer)} ${layer.size}`).join(' → ');
  const tied = spec.output.tied ? ' (tied)' : '';
  await print(
    `model       ${vocabulary.size} tokens → embedding ${spec.input.embedding} → ${layers} → softmax${tied}\n`,
  );
  await print(`parameters  ${count(parameters)}\n`);
  await print(`wrote ${out}, ${bytes(size)}\n`);
}

export const importModel: Register = (program) => {
  newCommand(program, 'import', 'Make a model of a safetensors file with the names and layouts of PyTorch.', [
    ['import model-pytorch.safetensors model.safetensors', 'what export wrote, also trained on in PyTorch'],
    ['import lm.safetensors model.safetensors --vocabulary words.txt --unit word', 'a word on each line, by id'],
    ['import lm.safetensors model.safetensors --vocabulary other.safetensors', 'the vocabulary of a model'],
  ])
    .argument('<file>', 'a safetensors file with encoder, rnn (or rnns.0, …) and decoder')
    .argument('<out>', 'the model to write; one that is there is replaced')
    .option(
      '--vocabulary <from>',
      'a model (.safetensors), a vocabulary or array of tokens (.json), or a text with a token a line (default: the one in the file)',
    )
    .addOption(choiceOption('--unit <unit>', 'what the tokens of a list are', ['char', 'word']))
    .option('--lowercase', 'with --unit: text is turned to lower case first')
    .option('--separate-punctuation', 'with --unit word: punctuation marks are words of their own')
    .option('--ids', 'the ids themselves are the tokens')
    .addOption(
      choiceOption('--activation <name>', 'of plain RNN layers, where the file does not say', ['tanh', 'relu']),
    )
    .option('--tied', 'encoder and decoder share their weights')
    .option('--no-tied', 'they do not, though the file says so')
    .option('--json', 'print one JSON object')
    .action(action);
};
