/**
 * The language model: what users build, train, ask and save. Owns parameters and vocabulary; the work is done by
 * `train/`, `evaluate.ts`, `generate.ts` and `model-file.ts`.
 */
import { type InspectOptions, inspect } from 'node:util';
import { Corpus } from '../data/corpus.js';
import type { Vocabulary } from '../data/vocabulary.js';
import { describe, expectInteger, fromForeign, TimeRNNError } from '../errors.js';
import { awaitHint, checkNames, checkSignal, filePath } from '../options.js';
import { Core } from '../sessions/core.js';
import { Predictor, resolvePredictorOptions } from '../sessions/predictor.js';
import { Session } from '../sessions/session.js';
import type { PredictorOptions, SessionOptions } from '../sessions/types.js';
import { resolveTrainOptions } from '../train/options.js';
import type { TrainingTarget } from '../train/target.js';
import { runTraining } from '../train/trainer.js';
import type { TrainOptions, TrainProgress } from '../train/types.js';
import { dynamicLoss } from './dynamic.js';
import { corpusLoss, finitePerplexity } from './evaluate.js';
import { generateText, scoreText } from './generate.js';
import { ReadWriteLock } from './lock.js';
import { type ModelParts, readModel, writeModel } from './model-file.js';
import { drawWeights, newParts } from './new-model.js';
import { nativeSpec } from './spec.js';
import type {
  GenerateOptions,
  LanguageModelOptions,
  LogProbabilityOptions,
  ModelSpec,
  PerplexityOptions,
} from './types.js';

/** Set while `load` builds a model around parameters that are there already. */
const PARTS = Symbol('parts');

/** What may help depends on what was asked for: where nothing was clipped, there is no clip to lower. */
function adviseOnDivergence(error: unknown, clip: number): unknown {
  if (!(error instanceof TimeRNNError) || error.code !== 'ERR_TIMERNN_DIVERGED' || clip > 0) return error;
  const [fact] = error.message.split(';');
  const advice = 'a smaller learningRate, or a clip above 0, may help';
  return new TimeRNNError(error.code, `${fact}; ${advice}`, { cause: error });
}

/**
 * A recurrent language model: embedding, recurrent layers, and a softmax over the vocabulary.
 *
 * Heavy work never runs on the calling thread: training runs in worker threads, everything else on the libuv pool.
 *
 * @throws ERR_TIMERNN_OPTION, ERR_TIMERNN_SPEC
 * @example
 * ```ts
 * import { Corpus, LanguageModel } from 'timernn';
 * const corpus = Corpus.fromText('the cat sat on the mat\n'.repeat(200), { unit: 'char' });
 * const model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 16, layers: [{ cell: 'rnn', size: 64 }] });
 * for await (const { perplexity } of model.train(corpus, { streams: 4, window: 16 })) console.log(perplexity);
 * ```
 */
export class LanguageModel {
  readonly #parts: ModelParts;
  readonly #lock = new ReadWriteLock();
  #initialised: Promise<void> | undefined;
  #training = false;
  /** What `session` uses; another one is made after a training. */
  #packed: Promise<Core> | undefined;
  /** The same, once it is there. */
  #core: Core | undefined;

  /**
   * A new model; its weights are drawn when it is first used.
   *
   * @param parts - for `load` alone
   * @throws ERR_TIMERNN_OPTION, ERR_TIMERNN_SPEC
   */
  constructor(options: LanguageModelOptions, parts?: { [PARTS]: ModelParts }) {
    this.#parts = parts?.[PARTS] ?? newParts(options);
  }

  /** The architecture, as stored in the model file. A copy. */
  get spec(): ModelSpec {
    return structuredClone(this.#parts.spec);
  }

  /** The vocabulary that the model's tokens are numbered by. */
  get vocabulary(): Vocabulary {
    return this.#parts.vocabulary;
  }

  /** How many numbers the model learns. */
  get parameterCount(): number {
    return this.#parts.layout.parameterCount;
  }

  /**
   * Trains on a corpus and yields after every round of windows. Nothing runs until the first report is asked for, so
   * iterate, as with `for await`; bad options are thrown by the call itself. Between two reports no worker runs, so the model may
   * be saved, evaluated or asked inside the loop. Leaving the loop ends the run and its threads.
   *
   * The corpus is cut into N streams; hidden state is carried from window to window and starts empty with each epoch;
   * the backward pass stops at the window's edge. Same seed, options and CPU type: same bits, for any number of workers.
   *
   * Inside the loop the model has the parameters of the report, but for a plateau that goes back to the best ones: it has
   * done so when the last report of the epoch comes. When the run ends by itself, and no sooner, it has what
   * the run was for: with `heldOut` the parameters that were best on it (unless `keepBest` is false), with an
   * averaging optimiser the average, once there is one (else a warning, TIMERNN_NO_AVERAGE, says so). So `save()` in the loop
   * writes the parameters of that moment, neither the best ones nor the average (a report whose held-out loss is the average's
   * says `averaging`); with `heldOut`, `best.safetensors` of `run` has what was best so far. With `run` everything is recorded in
   * a directory, and a run that was stopped, left or killed goes on from there to the same bits.
   *
   * @throws (when called) ERR_TIMERNN_OPTION, ERR_TIMERNN_VOCABULARY, ERR_TIMERNN_CORPUS for a `heldOut` too short to be
   * measured; (while it runs) ERR_TIMERNN_CORPUS, ERR_TIMERNN_BUSY where the model is in training already or another
   * process has the directory of `run`, ERR_TIMERNN_FILE and ERR_TIMERNN_FORMAT where files of `run` cannot be written or
   * read, ERR_TIMERNN_DIVERGED, ERR_TIMERNN_WORKER, or the signal's reason
   * @example
   * ```ts
   * import { Corpus, LanguageModel } from 'timernn';
   * const corpus = Corpus.fromText('the cat sat on the mat\n'.repeat(200), { unit: 'char' });
   * const { train, heldOut } = corpus.split({ heldOut: 0.1 });
   * const model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 16, layers: [{ cell: 'lstm', size: 32 }] });
   * const options = { streams: 4, window: 16, epochs: 3, optimizer: 'adam', heldOut } as const;
   * for await (const { epochEnd, heldOutPerplexity } of model.train(train, options)) {
   *   if (epochEnd) console.log(heldOutPerplexity);
   * }
   * ```
   */
  train(corpus: Corpus, options: TrainOptions = {}): AsyncGenerator<TrainProgress, void, undefined> {
    this.#checkCorpus(corpus);
    const resolved = resolveTrainOptions(options, corpus.length, this.#parts.layout.placements);
    if (resolved.heldOut !== undefined) this.#checkCorpus(resolved.heldOut.corpus, 'heldOut');
    return this.#train(corpus, resolved);
  }

  async *#train(corpus: Corpus, options: ReturnType<typeof resolveTrainOptions>): AsyncGenerator<TrainProgress, void> {
    if (this.#training) {
      throw new TimeRNNError(
        'ERR_TIMERNN_BUSY',
        'Expected the model to be idle, got a second train() while one is running',
      );
    }
    this.#training = true;
    this.#forgetPacked();
    try {
      yield* runTraining(await this.#ready(), corpus, options);
    } catch (error) {
      throw adviseOnDivergence(fromForeign(error), options.clip);
    } finally {
      this.#training = false;
      this.#forgetPacked();
    }
  }

  #forgetPacked(): void {
    this.#packed = undefined;
    this.#core = undefined;
  }

  /**
   * Packs the weights as they are now for inference, off the calling thread: for many streams at once, for low precision, for services.
   *
   * @throws ERR_TIMERNN_OPTION
   */
  async predictor(options: PredictorOptions = {}): Promise<Predictor> {
    const resolved = resolvePredictorOptions(options);
    return new Predictor(await this.#call((target) => Core.make(target, this.#parts, resolved)), this.spec);
  }

  /**
   * A stream of events through the model, with a state of its own and the weights as they are now. Sessions of one model share a
   * packed float32 copy of the weights, made when the first is asked for: until then (`session.ready`) the calls that answer at once
   * (`state`, `fork`, `reset`, `stepSync`) are ERR_TIMERNN_BUSY, and those that return promises wait. {@link predictor} has the choice of
   * precision, and sessions that are ready.
   *
   * @throws ERR_TIMERNN_OPTION; ERR_TIMERNN_STATE for a state that is damaged, or of another model: the latter, where the weights are not
   * packed yet, as a rejection of what is asked first
   */
  session(options: SessionOptions = {}): Session {
    if (this.#core !== undefined) return new Session(this.#core, options);
    const coming = this.#packed ?? this.#call((target) => Core.make(target, this.#parts, resolvePredictorOptions()));
    // While it is trained, each session has weights of its own moment. What failed is tried again.
    if (!this.#training) {
      this.#packed = coming;
      coming.then(
        (core) => {
          if (this.#packed === coming) this.#core = core;
        },
        () => {
          if (this.#packed === coming) this.#packed = undefined;
        },
      );
    }
    return new Session({ coming, vocabulary: this.vocabulary }, options);
  }

  /**
   * exp of the mean negative log-likelihood in nats over tokens 1 … L−1 of the corpus, state carried, each counted once.
   *
   * @throws ERR_TIMERNN_OPTION, ERR_TIMERNN_VOCABULARY, ERR_TIMERNN_CORPUS for fewer than 2 tokens,
   * ERR_TIMERNN_NOT_FINITE where the weights are so large that the result overflows, ERR_TIMERNN_DIVERGED where `dynamic`
   * takes steps that are too long, or the signal's reason
   */
  async perplexity(corpus: Corpus, options: PerplexityOptions = {}): Promise<number> {
    checkNames(options, ['streams', 'dynamic', 'signal'], 'perplexity');
    const { dynamic } = options;
    const streams = expectInteger('streams', options.streams ?? 1);
    if (dynamic !== undefined && streams !== 1) {
      throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected streams to be 1 with dynamic, got ${streams}`);
    }
    const signal = checkSignal(options.signal);
    this.#checkCorpus(corpus);
    return this.#call(async (target) => {
      const loss =
        dynamic === undefined
          ? await corpusLoss(target, corpus, streams, signal)
          : await dynamicLoss(target, corpus, dynamic, signal);
      return finitePerplexity(loss / (corpus.length - 1), dynamic !== undefined);
    });
  }

  /**
   * log P(text | context) in nats by the chain rule: Σ log P(w_t | context, w_1 … w_{t−1}).
   *
   * @throws ERR_TIMERNN_OPTION, ERR_TIMERNN_VOCABULARY, ERR_TIMERNN_NOT_FINITE where the weights are so large that it
   * overflows, or the signal's reason
   */
  async logProbability(text: string, options: LogProbabilityOptions = {}): Promise<number> {
    return this.#call((target) => scoreText(target, this.vocabulary, text, options));
  }

  /**
   * Generates text piece by piece (a character or a word each); the pieces joined are the text.
   *
   * @throws (when called) ERR_TIMERNN_OPTION, ERR_TIMERNN_VOCABULARY; (while it runs) ERR_TIMERNN_NOT_FINITE where the
   * weights are so large that scores overflow, or the signal's reason
   */
  generate(options: GenerateOptions = {}): AsyncGenerator<string, void, undefined> {
    const pieces = generateText(this.#target, this.vocabulary, options);
    return this.#generate(pieces);
  }

  async *#generate(pieces: AsyncGenerator<string, void>): AsyncGenerator<string, void, undefined> {
    try {
      await this.#ready();
      yield* pieces;
    } catch (error) {
      throw fromForeign(error);
    }
  }

  /**
   * Writes the model as one safetensors file, whole or not at all.
   *
   * @param path - the name of a file, or its `file:` URL
   * @throws ERR_TIMERNN_FILE where it cannot be written; a file of that name is then as it was
   */
  async save(path: string | URL): Promise<void> {
    const file = filePath(path);
    await this.#call((target) => target.lock.read(() => writeModel(file, this.#parts)));
  }

  /**
   * Reads a model that `save` wrote.
   *
   * @param path - the name of a file, or its `file:` URL
   * @throws ERR_TIMERNN_FILE, ERR_TIMERNN_FORMAT, ERR_TIMERNN_SPEC, ERR_TIMERNN_VOCABULARY
   */
  static async load(path: string | URL): Promise<LanguageModel> {
    return LanguageModel.ofParts(await readModel(filePath(path)));
  }

  /**
   * A model around parameters that are there already.
   *
   * @internal
   */
  static ofParts(parts: ModelParts): LanguageModel {
    return new LanguageModel(undefined as never, { [PARTS]: parts });
  }

  /**
   * Runs `body` on the model's parts while no round changes them: what writes them in another form.
   *
   * @internal
   */
  readParts<T>(body: (parts: ModelParts) => Promise<T>): Promise<T> {
    return this.#call((target) => target.lock.read(() => body(target.parts)));
  }

  /** What `console.log` shows: the architecture. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { spec, vocabulary, parameterCount } = this;
    const { unit, size } = vocabulary;
    const { embedding } = spec.input;
    const { layers, output } = spec;
    const shown = { unit, vocabulary: size, embedding, layers, ...(output.tied && { tied: true }), parameterCount };
    return `LanguageModel ${inspect(shown, options)}`;
  }

  get #target(): TrainingTarget {
    const { spec, layout, params } = this.#parts;
    return { spec: nativeSpec(spec), layout, params, lock: this.#lock, parts: this.#parts };
  }

  // The first use fills the parameters, off this thread: orthogonal matrices take a while for large layers.
  async #ready(): Promise<TrainingTarget> {
    this.#initialised ??= drawWeights(this.#parts);
    await this.#initialised;
    return this.#target;
  }

  async #call<T>(body: (target: TrainingTarget) => Promise<T>): Promise<T> {
    try {
      return await body(await this.#ready());
    } catch (error) {
      throw fromForeign(error);
    }
  }

  #checkCorpus(corpus: Corpus, name = 'corpus'): void {
    const { vocabulary } = this.#parts;
    if (!(corpus instanceof Corpus)) {
      const isSplit = (corpus as { train?: unknown } | null | undefined)?.train instanceof Corpus;
      const hint = isSplit ? '; pass .train or .heldOut of what split gave' : awaitHint(corpus);
      throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected ${name} to be a Corpus, got ${describe(corpus)}${hint}`);
    }
    if (corpus.vocabulary !== vocabulary && corpus.vocabulary.hash !== vocabulary.hash) {
      throw new TimeRNNError(
        'ERR_TIMERNN_VOCABULARY',
        `Expected ${name === 'corpus' ? 'a corpus' : name} with the model's vocabulary (${vocabulary.size} tokens, hash ${vocabulary.hash.slice(0, 12)}), got one ` +
          `with ${corpus.vocabulary.size} tokens, hash ${corpus.vocabulary.hash.slice(0, 12)}: pass { vocabulary: model.vocabulary } to Corpus`,
      );
    }
  }
}
