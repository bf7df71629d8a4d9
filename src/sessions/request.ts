/**
 * One request of a session, as the batcher takes it: what to read, what to answer, and the state that it works on.
 * Refuses to do: checking what users pass (see `session.ts`).
 */
import { ASK, type NativeBatch, NUMBERS } from '../native-inference.js';

/** What a request asks for. */
export type Ask = keyof typeof ASK;

export interface Request {
  ask: Ask;
  /** Below the vocabulary's size. */
  tokens: Uint32Array;
  /** In: the state before; out: the state after, where the request is answered. */
  state: Float32Array;
  /** `score`: the last token is not read. */
  peek?: boolean;
  /** `top`: how many; `sample`: among how many, 0 = all. */
  k?: number;
  /** `sample`: tokens to draw. */
  length?: number;
  temperature?: number;
  seed?: bigint;
  /** `sample`: draws before this one. */
  position?: number;
  /** `sample`: never this token. */
  excluded?: number;
}

/** What comes back; which of them depends on `ask`. */
export interface Answer {
  /** `probabilities`: V. `top`: k, most likely first. */
  probabilities: Float32Array;
  /** `top`: k; `sample`: length. */
  ids: Uint32Array;
  /** `score`: nats, one a token. */
  scores: Float64Array;
}

/** How long a request's answers are, given the vocabulary. */
function lengths({ ask, tokens, k = 0, length = 0 }: Request, vocabulary: number) {
  return {
    probabilities: ask === 'probabilities' ? vocabulary : ask === 'top' ? k : 0,
    ids: ask === 'top' ? k : ask === 'sample' ? length : 0,
    scores: ask === 'score' ? tokens.length : 0,
  };
}

/** Lays requests out in the arrays of a native batch. */
export function makeBatch(requests: readonly Request[], vocabulary: number): NativeBatch {
  const n = requests.length;
  const size = requests[0]!.state.length;
  const total = { tokens: 0, probabilities: 0, ids: 0, scores: 0 };
  for (const request of requests) {
    const own = lengths(request, vocabulary);
    total.tokens += request.tokens.length;
    total.probabilities += own.probabilities;
    total.ids += own.ids;
    total.scores += own.scores;
  }
  const batch: NativeBatch = {
    states: new Float32Array(n * size),
    numbers: new Float64Array(n * NUMBERS),
    seeds: new BigUint64Array(n),
    tokens: new Uint32Array(total.tokens),
    probabilities: new Float32Array(total.probabilities),
    ids: new Uint32Array(total.ids),
    scores: new Float64Array(total.scores),
    finite: new Uint8Array(n),
  };
  let at = 0;
  for (let i = 0; i < n; i++) {
    const r = requests[i]!;
    batch.states.set(r.state, i * size);
    batch.tokens.set(r.tokens, at);
    at += r.tokens.length;
    batch.seeds[i] = r.seed ?? 0n;
    const row = i * NUMBERS;
    batch.numbers[row] = ASK[r.ask];
    batch.numbers[row + 1] = r.tokens.length;
    batch.numbers[row + 2] = r.peek ? 1 : 0;
    batch.numbers[row + 3] = r.k ?? 0;
    batch.numbers[row + 4] = r.length ?? 0;
    batch.numbers[row + 5] = r.temperature ?? 1;
    batch.numbers[row + 6] = r.position ?? 0;
    batch.numbers[row + 7] = r.excluded ?? -1;
  }
  return batch;
}

/** What a batch made of one request: its answer, unless its scores were not finite, and the state after it. */
export interface Outcome {
  answer: Answer | undefined;
  /** A view of the batch. */
  state: Float32Array;
}

/** Takes the answers apart again. */
export function readBatch(batch: NativeBatch, requests: readonly Request[], vocabulary: number): Outcome[] {
  const at = { probabilities: 0, ids: 0, scores: 0 };
  return requests.map((request, i) => {
    const own = lengths(request, vocabulary);
    const answer = {
      probabilities: batch.probabilities.slice(at.probabilities, at.probabilities + own.probabilities),
      ids: batch.ids.slice(at.ids, at.ids + own.ids),
      scores: batch.scores.slice(at.scores, at.scores + own.scores),
    };
    at.probabilities += own.probabilities;
    at.ids += own.ids;
    at.scores += own.scores;
    const size = request.state.length;
    return {
      answer: batch.finite[i] === 0 ? undefined : answer,
      state: batch.states.subarray(i * size, (i + 1) * size),
    };
  });
}

/** Gives a request the state after it. @returns its answer; undefined, and the state as it was, where its scores were not finite */
export function accept(request: Request, { answer, state }: Outcome): Answer | undefined {
  if (answer !== undefined) request.state.set(state);
  return answer;
}
