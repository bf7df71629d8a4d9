/** `timernn train <file>`: a model of a text file, with the options of the command line. */
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import type { Corpus } from '../../data/corpus.js';
import { defaultStreams } from '../../data/streams.js';
import type { LanguageModel } from '../../models/language-model.js';
import type { GenerateOptions, LanguageModelOptions, LayerOptions } from '../../models/types.js';
import type { TrainOptions } from '../../train/types.js';
import { loadLibrary } from '../command.js';
import { loadCorpus } from '../corpus.js';
import { expectApart, type NamedFile } from '../files.js';
import { bestModelOf, checkRunFolder, filesOfRun } from '../run-record.js';
import { checkDestinations, evaluationStreams, type ReportRequest, runTraining } from '../training.js';
import { checkFlags, recordOptions, type TrainFlags, type Typed } from './flags.js';
import { goOnCommand, rawModelRemark, resumeCommand } from './go-on.js';
import { averages, scheduleOf } from './schedule.js';
import { interruptible, makeReporter } from './terminal.js';

/** Leaves out what is undefined: an option that was not typed is the library's to decide. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

function layerOf({ cell, size, activation, resetBefore, dropout, weightDrop }: TrainFlags): LayerOptions {
  const drops = given({ dropout, weightDrop });
  if (cell === 'rnn') return { cell, size, ...given({ activation }), ...drops };
  return cell === 'gru' && resetBefore ? { cell, size, resetAfter: false, ...drops } : { cell, size, ...drops };
}

function modelOptions(flags: TrainFlags, corpus: Corpus): LanguageModelOptions {
  const { embedding, seed, tied, inputDropout, wordDropout } = flags;
  return {
    vocabulary: corpus.vocabulary,
    embedding,
    layers: Array.from({ length: flags.layers }, () => layerOf(flags)),
    seed,
    ...given({ tied, inputDropout, wordDropout }),
    ...(flags.lockedDropout ? { dropoutKind: 'locked' } : {}),
  };
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
    ...given({ vocabularySize: flags.vocabularySize }),
  });
  return { model: new LanguageModel(modelOptions(flags, corpus)), corpus };
}

/** A text of one line has no line end to start from: then the samples go on from its first token. */
function sampleOptions(flags: TrainFlags, { vocabulary, tokens }: Corpus): Omit<GenerateOptions, 'signal'> {
  const first = vocabulary.lineEndId === undefined ? vocabulary.decode(tokens.subarray(0, 1)) : undefined;
  const prompt = flags.prompt || first;
  return { length: flags.sample, temperature: 0.8, seed: flags.seed, ...(prompt === undefined ? {} : { prompt }) };
}

/** What is done with held-out text while the trainer runs; nothing where the end of each epoch is soon enough. */
function heldOutOptions(flags: TrainFlags, heldOut: Corpus | undefined): TrainOptions {
  const { patience, keepBest, run, schedule } = flags;
  const needed = patience !== undefined || keepBest || run !== undefined || schedule === 'plateau' || averages(flags);
  if (heldOut === undefined || !needed) return {};
  return {
    heldOut,
    heldOutStreams: evaluationStreams(heldOut.length),
    keepBest: keepBest === true || patience !== undefined,
    ...given({ patience }),
  };
}

function trainOptions(flags: TrainFlags, train: Corpus, heldOut: Corpus | undefined) {
  const { window, epochs, clip, warmup, shards, averageFrom, seed } = flags;
  const name = flags.optimizer ?? (averageFrom === undefined ? undefined : 'sgd');
  const optimizer = name === undefined || averageFrom === undefined ? name : { name, averageFrom };
  const { clipValue, weightDecay, activationPenalty, temporalPenalty, randomWindows } = flags;
  const learningRate = flags.learningRate ?? (flags.optimizer === undefined ? 1 : undefined);
  return {
    streams: flags.streams ?? defaultStreams(train.length, window),
    window,
    epochs,
    clip,
    seed,
    workers: flags.workers ?? availableParallelism(),
    ...given({ learningRate, schedule: scheduleOf(flags), warmup, shards, optimizer, clipValue, weightDecay }),
    ...given({ activationPenalty, temporalPenalty, randomWindows }),
    ...heldOutOptions(flags, heldOut),
    ...(flags.run === undefined ? {} : { run: recordOptions(flags, flags.run) }),
  };
}

/** @throws UsageError; ERR_TIMERNN_FILE, ERR_TIMERNN_CORPUS; what training throws */
export async function trainText(file: string, flags: TrainFlags, command: Typed): Promise<void> {
  checkFlags(flags, command);
  const title = `Training on ${basename(file)}`;
  const report: ReportRequest | undefined = flags.report === undefined ? undefined : { path: flags.report, title };
  const outputs: NamedFile[] = [['--out', flags.out]];
  if (flags.report !== undefined) outputs.push(['--report', flags.report]);
  await expectApart(outputs, [['the text', file], ...(flags.run === undefined ? [] : filesOfRun(flags.run))]);
  if (flags.run !== undefined) {
    await checkRunFolder(flags.run, flags.resume);
    await mkdir(flags.run, { recursive: true }).catch(() => undefined); // the model may go there; the trainer says what is wrong
  }
  await checkDestinations(flags.out, report);
  const { model, corpus } = await makeModel(file, flags);
  const parts = flags.heldOut > 0 ? corpus.split({ heldOut: flags.heldOut }) : { train: corpus, heldOut: undefined };
  const interrupts = interruptible();
  try {
    const { interrupted } = await runTraining({
      model,
      ...parts,
      options: trainOptions(flags, parts.train, parts.heldOut),
      out: flags.out,
      report,
      sample: flags.sample > 0 ? sampleOptions(flags, corpus) : undefined,
      reporter: makeReporter(flags),
      interrupts,
      curve: flags.run === undefined ? undefined : { title },
      interruptedRemark: async () =>
        rawModelRemark(flags, flags.run === undefined ? undefined : await bestModelOf(flags.run)),
      goOn: (history) =>
        flags.run === undefined ? goOnCommand(file, flags, command, history) : resumeCommand(file, flags, command),
    });
    if (interrupted !== undefined) process.exitCode = interrupted.exitCode;
  } finally {
    interrupts.dispose();
  }
}
