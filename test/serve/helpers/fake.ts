/**
 * A predictor without a model: it notes what it is asked, answers by arithmetic, and waits at a gate where a test wants
 * something to be at work.
 */
import { TimeRNNError, Vocabulary } from 'timernn';
import type { ServedPredictor, ServedSession, ServedStepOptions } from '#src/serve/engine.js';
import type { RequestOptions, SessionGenerateOptions, TokenProbability } from '#src/sessions/types.js';

export const vocabulary = Vocabulary.fromText('the white whale\n', { unit: 'char' });

export class FakePredictor implements ServedPredictor {
  readonly vocabulary = vocabulary;
  readonly spec = {
    input: { kind: 'tokens' as const, vocabulary: vocabulary.size, embedding: 1 },
    layers: [{ cell: 'rnn' as const, size: 1 }],
    output: { kind: 'softmax' as const },
  };
  readonly precision = 'float32';
  readonly modelHash = 'f'.repeat(64);
  readonly weightBytes = 4;
  readonly stats = { queued: 0, running: 0, requests: 0, batches: 0, tokens: 0, refused: 0, cancelled: 0 };
  /** Names of what was asked, in order. */
  readonly calls: string[] = [];
  /** What every request throws. */
  failure: Error | undefined;
  closed = false;
  #gate: { wait: Promise<void>; open: () => void } | undefined;
  readonly #watchers: (() => void)[] = [];

  /** From now on requests wait. */
  shut(): void {
    const { promise, resolve } = deferred();
    this.#gate = { wait: promise, open: resolve };
  }

  /** Lets all that wait go on. */
  open(): void {
    this.#gate?.open();
    this.#gate = undefined;
  }

  /** Resolves when there have been that many requests since the start. */
  async asked(count: number): Promise<void> {
    while (this.calls.length < count) await this.changed();
  }

  /** Resolves at the next request, or when one has been taken back. */
  changed(): Promise<void> {
    return new Promise((done) => this.#watchers.push(done));
  }

  /** Every request goes through here. */
  async request<T>(name: string, answer: () => T, signal?: AbortSignal): Promise<T> {
    this.calls.push(name);
    this.stats.requests++;
    for (const watcher of this.#watchers.splice(0)) watcher();
    if (this.failure !== undefined) throw this.failure;
    signal?.throwIfAborted();
    try {
      if (this.#gate !== undefined) await Promise.race([this.#gate.wait, aborted(signal)]);
      signal?.throwIfAborted();
    } catch (reason) {
      this.stats.cancelled++;
      for (const watcher of this.#watchers.splice(0)) watcher();
      throw reason;
    }
    return answer();
  }

  session({ state }: { state?: Uint8Array } = {}): FakeSession {
    this.calls.push('session');
    const session = new FakeSession(this);
    if (state !== undefined) session.state = state;
    return session;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

class FakeSession implements ServedSession {
  readonly #predictor: FakePredictor;
  #read: number[] = [];

  constructor(predictor: FakePredictor) {
    this.#predictor = predictor;
  }

  get position(): number {
    return this.#read.length;
  }

  get state(): Uint8Array {
    return new TextEncoder().encode(`fake${JSON.stringify(this.#read)}`);
  }

  set state(blob: Uint8Array) {
    const text = new TextDecoder().decode(blob);
    if (!/^fake\[[\d,]*\]$/.test(text)) {
      throw new TimeRNNError('ERR_TIMERNN_STATE', 'Expected a state of this model, got something else');
    }
    this.#read = JSON.parse(text.slice(4)) as number[];
  }

  #next(topK: number): TokenProbability[] {
    const last = this.#read.at(-1) ?? 0;
    return Array.from({ length: topK }, (_, k) => ({
      token: (last + k + 1) % vocabulary.size,
      probability: 2 ** -(k + 1),
    }));
  }

  step(token: number, { topK, signal }: ServedStepOptions): Promise<TokenProbability[]> {
    const read = () => {
      this.#read.push(token);
      return this.#next(topK);
    };
    return this.#predictor.request('step', read, signal);
  }

  probabilities({ topK, signal }: ServedStepOptions): Promise<TokenProbability[]> {
    return this.#predictor.request('probabilities', () => this.#next(topK), signal);
  }

  observe(tokens: Uint32Array, { signal }: RequestOptions = {}): Promise<void> {
    return this.#predictor.request('observe', () => void this.#read.push(...tokens), signal);
  }

  score(tokens: Uint32Array, { signal }: RequestOptions = {}): Promise<Float64Array> {
    const logs = () => {
      this.#read.push(...tokens);
      return Float64Array.from(tokens, (token) => -Math.log(token + 2));
    };
    return this.#predictor.request('score', logs, signal);
  }

  async *generate({ length = 200, signal }: SessionGenerateOptions = {}): AsyncGenerator<number> {
    for (let i = 0; i < length; i++) {
      yield await this.#predictor.request(
        'generate',
        () => {
          const token = 1 + (this.#read.length % (vocabulary.size - 1));
          this.#read.push(token);
          return token;
        },
        signal,
      );
    }
  }

  fork(): FakeSession {
    const other = new FakeSession(this.#predictor);
    other.state = this.state;
    return other;
  }
}

export function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
