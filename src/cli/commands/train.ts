/** `timernn train`: a language model from a text file. */
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import type { Command } from 'commander';
import type { Corpus } from '../../data/corpus.js';
import { defaultStreams } from '../../data/streams.js';
import type { LanguageModel } from '../../models/language-model.js';
import type { GenerateOptions, LayerOptions } from '../../models/types.js';
import { loadLibrary, newCommand, type Register } from '../command.js';
import { loadCorpus } from '../corpus.js';
import { UsageError } from '../failures.js';
import { type Interrupts, listenForInterrupts } from '../interrupt.js';
import { choiceOption, integerOption, numberOption, shareOption } from '../options.js';
import { abilities, whenPipeBreaks } from '../output.js';
import { both, CLEAR_LINE, JsonReporter, type Reporter, TextReporter } from '../reporters.js';
import { checkDestinations, type ReportRequest, runTraining } from '../training.js';
import { goOnCommand } from './train-go-on.js';

export interface TrainFlags {
  unit: 'char' | 'word';
  vocabularySize?: number;
  lowercase?: boolean;
  separatePunctuation?: boolean;
  cell: LayerOptions['cell'];
  activation?: 'tanh' | 'relu';
  resetBefore?: boolean;
  embedding: number;
  size: number;
  layers: number;
  streams?: number;
  window: number;
  shards?: number;
  epochs: number;
  workers?: number;
  learningRate: number;
  decay: number;
  clip: number;
  seed: number;
  heldOut: number;
  sample: number;
  prompt?: string;
  out: string;
  from?: string;
  report?: string;
  json?: boolean;
  quiet?: boolean;
}

/** Options that a saved model has decided already. */
const FIXED_BY_MODEL = [
  'unit',
  'vocabularySize',
  'lowercase',
  'separatePunctuation',
  'cell',
  'activation',
  'resetBefore',
  'embedding',
  'size',
  'layers',
];

function checkFlags(flags: TrainFlags, command: Command): void {
  if (flags.from !== undefined) {
    for (const name of FIXED_BY_MODEL) {
      if (command.getOptionValueSource(name) !== 'cli') continue;
      const option = command.options.find((candidate) => candidate.attributeName() === name);
      throw new UsageError(`${option?.long}: the model of --from has decided it; expected it to be left out`);
    }
  }
  if (flags.activation !== undefined && flags.cell !== 'rnn') {
    throw new UsageError(`--activation: expected it together with --cell rnn, got --cell ${flags.cell}`);
  }
  if (flags.resetBefore && flags.cell !== 'gru') {
    throw new UsageError(`--reset-before: expected it together with --cell gru, got --cell ${flags.cell}`);
  }
  if (flags.separatePunctuation && flags.unit === 'char') {
    throw new UsageError('--separate-punctuation: expected it together with --unit word, got --unit char');
  }
  if (flags.shards !== undefined && flags.streams !== undefined && flags.shards > flags.streams) {
    throw new UsageError(`--shards: expected at most --streams (${flags.streams}), got "${flags.shards}"`);
  }
}

function layerOf({ cell, size, activation, resetBefore }: TrainFlags): LayerOptions {
  if (cell === 'rnn') return { cell, size, ...(activation === undefined ? {} : { activation }) };
  return cell === 'gru' && resetBefore ? { cell, size, resetAfter: false } : { cell, size };
}

async function makeModel(file: string, flags: TrainFlags): Promise<{ model: LanguageModel; corpus: Corpus }> {
  const { LanguageModel } = await loadLibrary();
  if (flags.from !== undefined) {
    const model = await LanguageModel.load(flags.from);
    return { model, corpus: await loadCorpus(file, { vocabulary: model.vocabulary }) };
  }
  const corpus = await loadCorpus(file, {
    unit: flags.unit,
    lowercase: flags.lowercase === true,
    separatePunctuation: flags.separatePunctuation === true,
    ...(flags.vocabularySize === undefined ? {} : { vocabularySize: flags.vocabularySize }),
  });
  const layers = Array.from({ length: flags.layers }, () => layerOf(flags));
  const { embedding, seed } = flags;
  return { model: new LanguageModel({ vocabulary: corpus.vocabulary, embedding, layers, seed }), corpus };
}

/** A text of one line has no line end to start from: then the samples go on from its first token. */
function sampleOptions(flags: TrainFlags, { vocabulary, tokens }: Corpus): Omit<GenerateOptions, 'signal'> {
  const first = vocabulary.lineEndId === undefined ? vocabulary.decode(tokens.subarray(0, 1)) : undefined;
  const prompt = flags.prompt || first;
  return { length: flags.sample, temperature: 0.8, seed: flags.seed, ...(prompt === undefined ? {} : { prompt }) };
}

/** With --json the objects have stdout to themselves and people read stderr. */
function makeReporter(flags: TrainFlags): Reporter {
  const sink = flags.json ? process.stderr : process.stdout;
  const reporters: Reporter[] = flags.quiet ? [] : [new TextReporter(sink, () => abilities(sink))];
  if (flags.json) reporters.push(new JsonReporter(process.stdout));
  return both(reporters);
}

function interruptible(): Interrupts {
  const interrupts = listenForInterrupts((reason) => {
    if (reason.signalName === 'EPIPE') return;
    // The terminal has written ^C behind the progress line: both go.
    const start = abilities(process.stderr).live ? CLEAR_LINE : process.stderr.isTTY ? '\n' : '';
    process.stderr.write(
      `${start}${reason.signalName}: stopping at the next window and saving; once more to quit at once.\n`,
    );
  });
  // A reader that has gone must not cost the model: end as by a signal.
  whenPipeBreaks(() => interrupts.abort('EPIPE'));
  return interrupts;
}

async function action(file: string, flags: TrainFlags, command: Command): Promise<void> {
  checkFlags(flags, command);
  const report: ReportRequest | undefined =
    flags.report === undefined ? undefined : { path: flags.report, title: `Training on ${basename(file)}` };
  await checkDestinations(flags.out, report);
  const { model, corpus } = await makeModel(file, flags);
  const parts = flags.heldOut > 0 ? corpus.split({ heldOut: flags.heldOut }) : { train: corpus, heldOut: undefined };
  const interrupts = interruptible();
  const { window, epochs, clip, decay, learningRate, shards } = flags;
  const streams = flags.streams ?? defaultStreams(parts.train.length, window);
  try {
    const { interrupted } = await runTraining({
      model,
      ...parts,
      options: {
        streams,
        window,
        epochs,
        clip,
        workers: flags.workers ?? availableParallelism(),
        learningRate: (epoch) => learningRate * decay ** epoch,
        ...(shards === undefined ? {} : { shards }),
      },
      out: flags.out,
      report,
      sample: flags.sample > 0 ? sampleOptions(flags, corpus) : undefined,
      reporter: makeReporter(flags),
      interrupts,
      goOn: (history) => goOnCommand(file, flags, command, history),
    });
    if (interrupted !== undefined) process.exitCode = interrupted.exitCode;
  } finally {
    interrupts.dispose();
  }
}

function addTextAndModelOptions(command: Command): Command {
  return command
    .addOption(choiceOption('-u, --unit <unit>', 'what a token is', ['char', 'word'], 'char'))
    .addOption(integerOption('--vocabulary-size <n>', 'keep the n most frequent tokens (default: all)', { min: 2 }))
    .option('--lowercase', 'turn the text to lower case')
    .option('--separate-punctuation', 'words: make punctuation marks words of their own')
    .addOption(choiceOption('--cell <cell>', 'recurrent cell', ['rnn', 'lstm', 'gru'], 'rnn'))
    .addOption(choiceOption('--activation <f>', 'of --cell rnn (default: tanh)', ['tanh', 'relu']))
    .option('--reset-before', 'of --cell gru: reset before the recurrent product, as in the book')
    .addOption(integerOption('--embedding <n>', 'size of the embedding', { default: 64 }))
    .addOption(integerOption('--size <n>', 'hidden units of a layer', { default: 256 }))
    .addOption(integerOption('--layers <n>', 'stacked recurrent layers', { default: 1 }))
    .option('--from <model>', 'go on training a saved model, with its vocabulary and layers');
}

function addTrainingOptions(command: Command): Command {
  return command
    .addOption(
      integerOption('--streams <n>', 'streams read side by side (mini-batch) (default: 32, fewer for a short text)'),
    )
    .addOption(integerOption('--window <n>', 'steps that the gradient flows back', { default: 64 }))
    .addOption(integerOption('--shards <n>', 'groups of streams computed together (default: follows --streams)'))
    .addOption(integerOption('--epochs <n>', 'passes over the text', { default: 5 }))
    .addOption(integerOption('--workers <n>', 'threads (default: all cores)'))
    .addOption(numberOption('--learning-rate <x>', 'step size of gradient descent', { above: 0, default: 1 }))
    .addOption(
      numberOption('--decay <x>', 'factor on the learning rate after each epoch', { above: 0, max: 1, default: 0.9 }),
    )
    .addOption(numberOption('--clip <norm>', 'largest gradient norm; 0 for no limit', { min: 0, default: 0.5 }))
    .addOption(integerOption('--seed <n>', 'seed of the initial weights', { min: 0, default: 1 }))
    .addOption(shareOption('--held-out <share>', 'end of the text that is only measured, not trained on', 0.1));
}

export const train: Register = (program) => {
  const command = newCommand(program, 'train', 'Train a language model on a text file. Ctrl-C saves it.', [
    ['train book.txt', 'a character model, saved as model.safetensors'],
    ['train book.txt --unit word --vocabulary-size 10000', 'a word model'],
    ['train book.txt --cell lstm --size 512', 'with a longer memory'],
    ['train book.txt --size 512 --epochs 10 --decay 0.9', 'larger, longer, with a falling learning rate'],
    ['train book.txt --report report.html', 'with curves and samples as a web page'],
    ['train book.txt --from model.safetensors', 'go on with a saved model'],
    ['train book.txt --json | jq .perplexity', 'for programs'],
  ]).argument('<file>', 'a UTF-8 text');
  addTrainingOptions(addTextAndModelOptions(command))
    .addOption(integerOption('--sample <n>', 'tokens to write after each epoch; 0 for none', { min: 0, default: 200 }))
    .option('--prompt <text>', 'what the samples continue')
    .option('-o, --out <file>', 'where to save the model; replaces a file that is there', 'model.safetensors')
    .option('--report <file>', 'write curves, samples and settings as one HTML page')
    .option('--json', 'print one JSON object a line on stdout, text on stderr; epochs count from 1')
    .option('-q, --quiet', 'print nothing but errors (and --json)')
    .action(action);
};
