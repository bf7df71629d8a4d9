/**
 * A training run from the first window to the saved model: progress, held-out perplexity and a sample after each
 * epoch, the model saved after each epoch, a report at the end. `timernn train` and the examples share it.
 * Refuses to do: option parsing, building the model or the corpus.
 */
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { writeFileAtomic } from '../checkpoint/atomic-write.js';
import type { Corpus } from '../data/corpus.js';
import { planShards, planStreams } from '../data/streams.js';
import type { LanguageModel } from '../models/language-model.js';
import type { GenerateOptions } from '../models/types.js';
import { dropoutWords, scheduleWords } from '../recipes/describe.js';
import { loadAssets, type ReportAssets } from '../report/assets.js';
import { bestEpoch } from '../report/curve-svg.js';
import { renderReport } from '../report/render.js';
import type { ReportEpoch, ReportTable } from '../report/types.js';
import type { TrainOptions } from '../train/types.js';
import { checkWritable } from './files.js';
import { cellName, count, optimizerWords } from './format.js';
import { History } from './history.js';
import type { Interrupted, Interrupts } from './interrupt.js';
import { machineTable } from './machine.js';
import type { Reporter } from './reporters.js';
import type { RecipeFacts, RunFacts, TrainingEnd } from './run-facts.js';
import { allEpochs, type CurveRequest, positionOf, reportEpochs, secondsOf, writeCurve } from './run-record.js';

/** Where the report goes and what it says beside the curves. */
export interface ReportRequest {
  path: string;
  title: string;
  subtitle?: string;
  /** How the path was given, for messages. @default '--report' */
  optionName?: string;
}

export interface TrainingJob {
  model: LanguageModel;
  train: Corpus;
  /** Text that the model never trains on; left out where nothing is held out. */
  heldOut?: Corpus | undefined;
  options: TrainOptions & { epochs: number; streams: number; window: number; workers: number };
  /** Where the model is saved, after each epoch and at the end. */
  out: string;
  report?: ReportRequest | undefined;
  /** Text to generate after each epoch; left out for none. */
  sample?: Omit<GenerateOptions, 'signal'> | undefined;
  reporter: Reporter;
  interrupts: Interrupts;
  /** The command that goes on after an interruption, from what is done by then. */
  goOn?: (history: History) => string | undefined;
  /** What has to be said of the model that an interruption leaves. */
  interruptedRemark?: (() => Promise<string | undefined>) | undefined;
  /** What the curve of a recorded run says; needs `options.run`. */
  curve?: CurveRequest | undefined;
  /** The recipe that the run follows. */
  recipe?: RecipeFacts | undefined;
  /**
   * Whether `out` is written after each epoch and at an interruption too. A recorded run has its checkpoints and may
   * leave `out` to the end, so that the file tells a finished run.
   * @default true
   */
  savesOnTheWay?: boolean | undefined;
}

export interface TrainingOutcome {
  history: History;
  /** Set where a signal ended the run. */
  interrupted: Interrupted | undefined;
}

/** Proves before the run that its results will find a place. @throws ERR_TIMERNN_FILE */
export async function checkDestinations(out: string, report: ReportRequest | undefined): Promise<void> {
  await checkWritable('--out', out);
  if (report !== undefined) await checkWritable(report.optionName ?? '--report', report.path);
}

/**
 * Streams for held-out text between epochs: many are faster, and each starts from an empty state, which costs a little
 * perplexity; with thousands of tokens a stream it cannot be seen.
 */
export function evaluationStreams(tokens: number): number {
  return Math.max(1, Math.min(16, Math.floor(tokens / 2000)));
}

async function generateSample(job: TrainingJob, signal: AbortSignal): Promise<string> {
  let text = '';
  for await (const piece of job.model.generate({ ...job.sample, signal })) text += piece;
  return text;
}

/** The folder of a recorded run. */
export function runDirectory({ options }: Pick<TrainingJob, 'options'>): string | undefined {
  const directory = options.run?.directory;
  return directory instanceof URL ? fileURLToPath(directory) : directory;
}

/** How the whole run ended, with that part of it which earlier processes did. */
async function trainingEnd(job: TrainingJob, history: History): Promise<TrainingEnd> {
  const { heldOut, keepBest = true, epochs } = job.options;
  const figures = await allEpochs(runDirectory(job), history.epochs);
  const best = heldOut !== undefined && keepBest ? bestEpoch(figures)?.epoch : undefined;
  return {
    seconds: secondsOf(figures) ?? history.seconds,
    done: figures.at(-1)?.epoch ?? history.epochsDone,
    epochs,
    ...(best === undefined ? {} : { kept: best }),
  };
}

async function drawCurve(job: TrainingJob, history: History): Promise<string | undefined> {
  const directory = runDirectory(job);
  if (directory === undefined || job.curve === undefined) return undefined;
  const epochs = await allEpochs(directory, history.epochs);
  // A run that was stopped in its first epoch has nothing to draw yet.
  return epochs.length === 0 ? undefined : writeCurve(directory, job.curve, epochs, job.options.epochs);
}

async function endEpoch(job: TrainingJob, history: History): Promise<void> {
  const { model, heldOut, reporter, interrupts } = job;
  const { signal } = interrupts;
  if (job.savesOnTheWay !== false) await model.save(job.out);
  const extra: { heldOutLoss?: number; averaging?: true; sample?: string } = {};
  try {
    // The trainer's own figure counts: with an averaging optimiser it is that of the average, which `model` is not yet.
    const measured = history.last?.heldOutLoss;
    if (history.last?.averaging) extra.averaging = true;
    if (measured !== undefined) extra.heldOutLoss = measured;
    else if (heldOut !== undefined) {
      reporter.busy('held-out text…');
      const streams = evaluationStreams(heldOut.length);
      extra.heldOutLoss = Math.log(await model.perplexity(heldOut, { streams, signal }));
    }
    if (job.sample !== undefined) {
      reporter.busy('writing a sample…');
      extra.sample = await generateSample(job, signal);
    }
  } finally {
    reporter.epoch(history.endEpoch(extra), job.options.epochs);
  }
  await drawCurve(job, history);
}

/** `input 0.2, layer 0 0.35; locked`; `none`. */
function drops({ spec: { input, layers, dropoutKind } }: LanguageModel): string {
  return dropoutWords({ model: { inputDropout: input.dropout, wordDropout: input.wordDropout, layers, dropoutKind } });
}

/** Facts for the reporters and the report. */
function factsOf(job: TrainingJob, replaces: boolean): RunFacts {
  const { model, options } = job;
  const run = runDirectory(job);
  const dropout = drops(model);
  return {
    unit: model.vocabulary.unit,
    vocabulary: model.vocabulary.size,
    parameters: model.parameterCount,
    trainTokens: job.train.length,
    heldOutTokens: job.heldOut?.length ?? 0,
    layers: model.spec.layers,
    embedding: model.spec.input.embedding,
    streams: options.streams,
    window: options.window,
    epochs: options.epochs,
    // What the trainer starts: a worker without a shard would have nothing to do.
    workers: Math.min(options.workers, planShards(options.streams, options.shards).length),
    optimizer: optimizerWords(options.optimizer),
    schedule: scheduleFacts(options),
    out: job.out,
    replaces,
    ...(job.sample?.prompt === undefined ? {} : { prompt: job.sample.prompt }),
    ...(model.spec.output.tied === true ? { tied: true } : {}),
    ...(dropout === 'none' ? {} : { dropout }),
    ...(run === undefined ? {} : { run }),
    ...(job.recipe === undefined ? {} : { recipe: job.recipe }),
  };
}

function scheduleFacts({ schedule = { kind: 'constant' }, warmup = 0 }: TrainOptions): string {
  return warmup > 0 ? `${scheduleWords(schedule)}, warm-up over ${count(warmup)} windows` : scheduleWords(schedule);
}

/** Where a run goes on from that is asked to. */
async function resumeFacts(job: TrainingJob): Promise<Pick<RunFacts, 'resume'>> {
  const directory = runDirectory(job);
  if (directory === undefined || job.options.run?.resume !== true) return {};
  const resume = await positionOf(directory);
  return resume === undefined ? {} : { resume };
}

function settingsTable(job: TrainingJob, facts: RunFacts, epochs: readonly ReportEpoch[], done: number): ReportTable {
  const { clip, shards, learningRate } = job.options;
  const number = (value: number) => value.toLocaleString('en-GB');
  const first = typeof learningRate === 'number' ? learningRate : learningRate?.(0);
  const last = epochs.at(-1)?.learningRate;
  const rate = first === undefined ? 'default' : String(Number(first.toPrecision(4)));
  const falls = last === undefined || last === first ? '' : `, ${Number(last.toPrecision(4))} in the end`;
  return {
    title: 'Model and training',
    rows: [
      ['Layers', facts.layers.map((layer) => `${cellName(layer)}, ${number(layer.size)} units`).join(' → ')],
      ['Embedding', number(facts.embedding)],
      ['Vocabulary', `${number(facts.vocabulary)}, unit: ${facts.unit}`],
      ['Trained on', `${number(facts.trainTokens)} tokens`],
      ['Held out', facts.heldOutTokens > 0 ? `${number(facts.heldOutTokens)} tokens` : 'nothing'],
      ['Streams × window', `${number(facts.streams)} × ${number(facts.window)} steps`],
      ...(shards === undefined ? [] : [['Shards', number(shards)] as const]),
      ['Learning rate', `${rate}${falls}`],
      ['Schedule', facts.schedule],
      ['Gradient clip', clip === undefined ? 'default' : clip === 0 ? 'off' : `norm ${clip}`],
      ['Epochs', `${done} of ${facts.epochs}`],
    ],
  };
}

async function writeReport(job: TrainingJob, history: History, assets: ReportAssets, stopped: boolean): Promise<void> {
  const request = job.report;
  if (request === undefined) return;
  // Nothing was trained: the report of a process that did says more.
  if (history.last === undefined && (await stat(request.path).catch(() => undefined)) !== undefined) return;
  const facts = factsOf(job, false);
  const epochs = facts.run === undefined ? history.epochs : await reportEpochs(facts.run, history.epochs);
  const done = Math.max(history.epochsDone, epochs.at(-1)?.epoch ?? 0);
  const html = renderReport(
    {
      title: request.title,
      ...(request.subtitle === undefined ? {} : { subtitle: request.subtitle }),
      unit: facts.unit,
      rounds: history.rounds,
      epochs,
      parameters: facts.parameters,
      ...(facts.prompt === undefined ? {} : { prompt: facts.prompt }),
      tables: [settingsTable(job, facts, epochs, done), await machineTable(facts.workers)],
      interrupted: stopped,
      date: new Date(),
    },
    assets,
  );
  await writeFileAtomic(request.path, [Buffer.from(html)]);
  job.reporter.saved('report', request.path);
}

/**
 * Runs a job to its end or to the first signal. The model is saved either way.
 *
 * @throws what training throws, other than the abort; ERR_TIMERNN_FILE where a result cannot be written
 */
export async function runTraining(job: TrainingJob): Promise<TrainingOutcome> {
  const { model, reporter, interrupts } = job;
  const history = new History(job.options.run?.resume === true);
  await checkDestinations(job.out, job.report);
  const assets = job.report === undefined ? undefined : await loadAssets();
  // What the trainer would refuse is refused before a line says that training starts.
  planStreams(job.train.length, job.options.streams, job.options.window);
  planShards(job.options.streams, job.options.shards);
  const replaces = (await stat(job.out).catch(() => undefined)) !== undefined;
  reporter.start({ ...factsOf(job, replaces), ...(await resumeFacts(job)) });
  try {
    for await (const progress of model.train(job.train, { ...job.options, signal: interrupts.signal })) {
      history.add(progress);
      reporter.progress(progress, history.secondsLeft());
      if (progress.epochEnd) await endEpoch(job, history);
    }
  } catch (error) {
    // A failure that happens to follow a signal is still a failure.
    const aborted = error === interrupts.reason() || (error as Error | undefined)?.name === 'AbortError';
    if (interrupts.reason() === undefined || !aborted) throw error;
  }
  const interrupted = interrupts.reason();
  const saves = interrupted === undefined || job.savesOnTheWay !== false;
  if (saves) await model.save(job.out);
  if (interrupted === undefined) reporter.done(await trainingEnd(job, history));
  if (saves) reporter.saved('model', job.out);
  const curve = await drawCurve(job, history);
  if (curve !== undefined) reporter.saved('curve', curve);
  if (assets !== undefined) await writeReport(job, history, assets, interrupted !== undefined);
  if (interrupted !== undefined) {
    reporter.interrupted(interrupted, job.goOn?.(history), await job.interruptedRemark?.());
  }
  return { history, interrupted };
}
