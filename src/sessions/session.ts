/**
 * One stream of events and its hidden state: step, observe, surprise, generate, fork, export. Requests of one session run
 * in the order in which they were made. Refuses to do: computing (see `batcher.ts` and the addon).
 */
import type { Vocabulary } from '../data/vocabulary.js';
import { expectInteger, fromForeign, TimeRNNError } from '../errors.js';
import { checkNames, checkSignal } from '../options.js';
import type { Core } from './core.js';
import { generationOptions } from './generation.js';
import { Line } from './line.js';
import type { Answer, Request } from './request.js';
import { encodeState, expectStateOf, readState, type StateOf } from './state-blob.js';
import { tokenOf, tokensOf } from './tokens.js';
import type {
  RequestOptions,
  SessionGenerateOptions,
  SessionOptions,
  StepOptions,
  TokenLike,
  TokenProbability,
} from './types.js';

/** Tokens that one trip to the pool reads; a longer text waits its turn again in between. */
const TRIP = 64;

type TopOptions = StepOptions & { topK: number };

/** No tokens to read. */
const NOTHING = new Uint32Array();

/** What the next tokens are asked with. */
function nextRequest(topK: number | undefined): Pick<Request, 'ask' | 'k'> {
  return topK === undefined ? { ask: 'probabilities' } : { ask: 'top', k: topK };
}

/** Probabilities of all tokens, or the most likely ones. */
function shaped(answer: Answer, topK: number | undefined): Float32Array | TokenProbability[] {
  if (topK === undefined) return answer.probabilities;
  return Array.from(answer.ids, (token, i) => ({ token, probability: answer.probabilities[i]! }));
}

/**
 * A stream of events through a model: what was read so far is a few numbers, the state. Made by
 * {@link Predictor.session} or {@link LanguageModel.session}.
 *
 * Asynchronous calls run on the libuv pool, in batches with those of other sessions, and in the order in which they were made;
 * one that fails or is cancelled leaves the session as it was before it. Tokens are numbers, or strings as the vocabulary has
 * them (an unknown one counts as `<unk>` where there is one).
 *
 * @example
 * ```ts
 * import { Corpus, LanguageModel } from 'timernn';
 * const corpus = Corpus.fromText('login read logout\n'.repeat(50), { unit: 'word' });
 * const model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 8, layers: [{ cell: 'rnn', size: 16 }] });
 * const session = model.session();
 * await session.observe(['login', 'read']);
 * console.log(await session.surprise('logout'), 'nats');
 * ```
 */
export class Session {
  readonly #coming: Promise<Core>;
  readonly #vocabulary: Vocabulary;
  #core: Core | undefined;
  #values: Float32Array | undefined;
  #position = 0;
  /** Requests under way: one that runs, and those that wait for it. */
  #pending = 0;
  readonly #line = new Line();

  /** For {@link Predictor.session} and {@link LanguageModel.session}. */
  constructor(core: Core | { coming: Promise<Core>; vocabulary: Vocabulary }, options: SessionOptions = {}) {
    checkNames(options, ['state'], 'session');
    this.#vocabulary = core.vocabulary;
    const state = options.state === undefined ? undefined : readState(options.state);
    if ('coming' in core) {
      this.#position = state?.position ?? 0;
      this.#coming = core.coming.then((made) => this.#begin(made, state));
      // A failure shows in whatever is asked next.
      this.#coming.catch(() => {});
    } else {
      this.#coming = Promise.resolve(core);
      this.#begin(core, state);
    }
  }

  #begin(core: Core, state: StateOf | undefined): Core {
    if (state === undefined) this.#values = new Float32Array(core.stateLength);
    else this.#restore(core, state);
    this.#core = core;
    return core;
  }

  /** Resolves when the model's weights are packed; at once for a session of a predictor. Calls that return promises wait for it. */
  get ready(): Promise<void> {
    return this.#coming.then(() => {});
  }

  /** Tokens read so far. */
  get position(): number {
    return this.#position;
  }

  /**
   * Reads a token; what comes next. Without `topK` the probability of every token of the vocabulary, in order.
   *
   * @returns V probabilities, or the `topK` most likely tokens, most likely first
   * @throws ERR_TIMERNN_TOKEN, ERR_TIMERNN_OPTION, ERR_TIMERNN_OVERLOADED, ERR_TIMERNN_CLOSED, ERR_TIMERNN_NOT_FINITE, or the
   * signal's reason
   */
  step(token: TokenLike, options?: RequestOptions & { topK?: undefined }): Promise<Float32Array>;
  step(token: TokenLike, options: TopOptions): Promise<TokenProbability[]>;
  step(token: TokenLike, options?: StepOptions): Promise<Float32Array | TokenProbability[]>;
  async step(token: TokenLike, options: StepOptions = {}): Promise<Float32Array | TokenProbability[]> {
    return this.#next(Uint32Array.of(tokenOf(this.#vocabulary, token)), options, 'step');
  }

  /** The probabilities that {@link step} would give for what was read so far; reads nothing. */
  probabilities(options?: RequestOptions & { topK?: undefined }): Promise<Float32Array>;
  probabilities(options: TopOptions): Promise<TokenProbability[]>;
  probabilities(options?: StepOptions): Promise<Float32Array | TokenProbability[]>;
  async probabilities(options: StepOptions = {}): Promise<Float32Array | TokenProbability[]> {
    return this.#next(NOTHING, options, 'probabilities');
  }

  /**
   * {@link step} on the calling thread: for small models, whose step takes less time than a trip to another thread.
   *
   * @throws as `step`, and ERR_TIMERNN_BUSY where the weights are not packed yet or the session has requests under way
   */
  stepSync(token: TokenLike, options?: { topK?: undefined }): Float32Array;
  stepSync(token: TokenLike, options: { topK: number }): TokenProbability[];
  stepSync(token: TokenLike, options?: { topK?: number | undefined }): Float32Array | TokenProbability[];
  stepSync(token: TokenLike, options: { topK?: number | undefined } = {}): Float32Array | TokenProbability[] {
    checkNames(options, ['topK'], 'stepSync');
    const topK = this.#topK(options.topK);
    const tokens = Uint32Array.of(tokenOf(this.#vocabulary, token));
    return shaped(this.#askSync({ ...nextRequest(topK), tokens }, 1), topK);
  }

  /**
   * {@link surprise} on the calling thread.
   *
   * @throws as `surprise`, and ERR_TIMERNN_BUSY as `stepSync`
   */
  surpriseSync(token: TokenLike): number {
    const tokens = Uint32Array.of(tokenOf(this.#vocabulary, token));
    return -this.#askSync({ ask: 'score', tokens }, 1).scores[0]!;
  }

  /**
   * Reads tokens: one, or several.
   *
   * @throws as `step`
   */
  async observe(tokens: TokenLike | Iterable<TokenLike> | Uint32Array, options: RequestOptions = {}): Promise<void> {
    checkNames(options, ['signal'], 'observe');
    await this.#trips('nothing', tokensOf(this.#vocabulary, tokens), checkSignal(options.signal), () => {});
  }

  /**
   * log P(token | what was read), in nats; reads nothing.
   *
   * @throws as `step`
   */
  async logProbability(token: TokenLike, options: RequestOptions = {}): Promise<number> {
    checkNames(options, ['signal'], 'logProbability');
    const tokens = Uint32Array.of(tokenOf(this.#vocabulary, token));
    const answer = await this.#trip({ ask: 'score', tokens, peek: true }, 0, checkSignal(options.signal));
    return answer.scores[0]!;
  }

  /**
   * −log P(token | what was read), in nats; then reads it. What does not fit what came before has a high surprise.
   *
   * @throws as `step`
   */
  async surprise(token: TokenLike, options: RequestOptions = {}): Promise<number> {
    checkNames(options, ['signal'], 'surprise');
    const [score] = await this.#score(Uint32Array.of(tokenOf(this.#vocabulary, token)), options);
    return -score!;
  }

  /**
   * log P of each token in turn, in nats, given those before it; reads them.
   *
   * @throws as `step`
   */
  async score(
    tokens: TokenLike | Iterable<TokenLike> | Uint32Array,
    options: RequestOptions = {},
  ): Promise<Float64Array> {
    checkNames(options, ['signal'], 'score');
    return this.#score(tokensOf(this.#vocabulary, tokens), options);
  }

  /**
   * Draws tokens, each of which is read. Nothing runs until the first is asked for; leaving the loop ends it, and the session has
   * read what was yielded.
   *
   * @throws (when called) ERR_TIMERNN_OPTION; (while it runs) as `step`
   */
  generate(options: SessionGenerateOptions = {}): AsyncGenerator<number, void, undefined> {
    return this.#generate(generationOptions(options, this.#vocabulary));
  }

  async *#generate(options: ReturnType<typeof generationOptions>): AsyncGenerator<number, void, undefined> {
    const { length, signal, ...rest } = options;
    for (let position = 0; position < length; position++) {
      const draw: Omit<Request, 'state'> = { ask: 'sample', tokens: NOTHING, length: 1, position, ...rest };
      const answer = await this.#trip(draw, 1, signal);
      yield answer.ids[0]!;
    }
  }

  /**
   * Another session with the same past.
   *
   * @throws ERR_TIMERNN_BUSY while requests of this one are under way, or its weights are not packed yet
   */
  fork(): Session {
    const { core, values } = this.#settled('fork');
    const fork = new Session(core);
    fork.#values = values.slice();
    fork.#position = this.#position;
    return fork;
  }

  /**
   * As new: nothing read.
   *
   * @throws ERR_TIMERNN_BUSY as `fork`
   */
  reset(): void {
    this.#settled('reset').values.fill(0);
    this.#position = 0;
  }

  /**
   * What was read, as a small blob (4 bytes a number and 60 more; an LSTM has two numbers a unit) to keep or to send. Setting it goes on from there, on any machine with the
   * same model: to the same bits on the same CPU type.
   *
   * @throws (get, set) ERR_TIMERNN_BUSY as `fork`; (set) ERR_TIMERNN_STATE for a blob that is damaged or of another model
   */
  get state(): Uint8Array<ArrayBuffer> {
    const { core, values } = this.#settled('state');
    return encodeState({ modelHash: core.modelHash, position: this.#position, values });
  }

  set state(blob: Uint8Array) {
    this.#restore(this.#settled('state').core, readState(blob));
  }

  #restore(core: Core, state: StateOf): void {
    const { values, position } = expectStateOf({ hash: core.modelHash, length: core.stateLength }, state);
    this.#values = values;
    this.#position = position;
  }

  #topK(topK: unknown): number | undefined {
    if (topK === undefined) return undefined;
    return Math.min(expectInteger('topK', topK), this.#vocabulary.size);
  }

  async #next(tokens: Uint32Array, options: StepOptions, name: string): Promise<Float32Array | TokenProbability[]> {
    checkNames(options, ['topK', 'signal'], name);
    const topK = this.#topK(options.topK);
    const request = { ...nextRequest(topK), tokens };
    return shaped(await this.#trip(request, tokens.length, checkSignal(options.signal)), topK);
  }

  async #score(tokens: Uint32Array, { signal }: RequestOptions): Promise<Float64Array> {
    const scores = new Float64Array(tokens.length);
    await this.#trips('score', tokens, checkSignal(signal), (answer, at) => scores.set(answer.scores, at));
    return scores;
  }

  // Runs `body` after all requests before it.
  async #request<T>(
    signal: AbortSignal | undefined,
    reads: number,
    body: (core: Core, values: Float32Array) => Promise<T>,
  ): Promise<T> {
    let entered = this.#core;
    // A session of a predictor is refused at once where that is closed; what was let in ends.
    entered?.enter();
    let mine = false;
    this.#pending++;
    try {
      if (entered !== undefined && this.#line.length >= entered.options.maxQueue) {
        throw entered.batcher.refuse('requests of a session');
      }
      await this.#line.enter(signal);
      mine = true;
      signal?.throwIfAborted();
      if (entered === undefined) {
        const core = this.#core ?? (await this.#coming);
        core.enter();
        entered = core;
      }
      const result = await body(entered, this.#values!);
      this.#position += reads;
      return result;
    } catch (error) {
      throw fromForeign(error);
    } finally {
      entered?.leave();
      this.#pending--;
      if (mine) this.#line.leave();
    }
  }

  // One trip to the pool. The state changes where it succeeds, and only there.
  #trip(request: Omit<Request, 'state'>, reads: number, signal: AbortSignal | undefined): Promise<Answer> {
    return this.#request(signal, reads, ({ batcher }, state) => batcher.ask({ ...request, state }, signal));
  }

  // Trip after trip through the tokens, on a copy of the state: it becomes the session's when all are read.
  #trips(
    ask: 'nothing' | 'score',
    tokens: Uint32Array,
    signal: AbortSignal | undefined,
    onAnswer: (answer: Answer, at: number) => void,
  ): Promise<void> {
    return this.#request(signal, tokens.length, async ({ batcher }, values) => {
      const state = values.slice();
      for (let at = 0; at < tokens.length; at += TRIP) {
        onAnswer(await batcher.ask({ ask, tokens: tokens.slice(at, at + TRIP), state }, signal), at);
      }
      values.set(state);
    });
  }

  #askSync(request: Omit<Request, 'state'>, reads: number): Answer {
    const { core, values } = this.#settled('a synchronous call');
    const state = values.slice();
    try {
      const answer = core.askSync({ ...request, state });
      this.#values = state;
      this.#position += reads;
      return answer;
    } catch (error) {
      throw fromForeign(error);
    }
  }

  #settled(what: string): { core: Core; values: Float32Array } {
    if (this.#core === undefined || this.#values === undefined) {
      throw new TimeRNNError(
        'ERR_TIMERNN_BUSY',
        `Expected the weights to be packed before ${what}, got a model that still packs them: await session.ready first`,
      );
    }
    if (this.#pending > 0) {
      throw new TimeRNNError(
        'ERR_TIMERNN_BUSY',
        `Expected no request of the session under way for ${what}, got ${this.#pending}: await them first`,
      );
    }
    return { core: this.#core, values: this.#values };
  }
}
