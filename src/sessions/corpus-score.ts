/**
 * The loss of a corpus with packed weights, state carried. Refuses to do: saying what it means (see `predictor.ts`).
 */
import { Corpus } from '../data/corpus.js';
import { describe, TimeRNNError } from '../errors.js';
import { expectStreams } from '../models/evaluate.js';
import { notFinite } from './batcher.js';
import type { Core } from './core.js';
import { accept, makeBatch, type Request, readBatch } from './request.js';

/** Tokens of a stream in one trip to the pool; the signal is looked at in between. */
const TRIP = 256;

function expectCorpus(corpus: unknown, { vocabulary }: Core): asserts corpus is Corpus {
  if (!(corpus instanceof Corpus)) {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected corpus to be a Corpus, got ${describe(corpus)}`);
  }
  if (corpus.vocabulary.hash === vocabulary.hash) return;
  throw new TimeRNNError(
    'ERR_TIMERNN_VOCABULARY',
    `Expected a corpus with the model's vocabulary (${vocabulary.size} tokens), got one with ${corpus.vocabulary.size}`,
  );
}

/**
 * Sum of the negative log-likelihoods of tokens 1 … L−1, in nats. Stream i reads its part of the corpus and the first token
 * of the next one's, from an empty state.
 */
export async function corpusScore(
  core: Core,
  corpus: Corpus,
  streams: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  expectCorpus(corpus, core);
  expectStreams(corpus, streams);
  const predicted = corpus.length - 1;
  const edge = (i: number) => Math.floor((predicted * i) / streams);
  const engine = core.engine(streams);
  const size = core.vocabulary.size;
  const states = Array.from({ length: streams }, () => new Float32Array(core.stateLength));
  // The first token of each stream is read, not predicted.
  const at = states.map((_, i) => edge(i));
  const first: Request[] = states.map((state, i) => ({
    ask: 'nothing',
    state,
    tokens: corpus.tokens.slice(at[i], at[i]! + 1),
  }));
  const run = async (requests: Request[]) => {
    signal?.throwIfAborted();
    const batch = makeBatch(requests, size);
    await engine.run(batch);
    return readBatch(batch, requests, size).map((outcome, i) => accept(requests[i]!, outcome));
  };
  await run(first);
  let total = 0;
  for (;;) {
    const active = states.flatMap((state, i) => {
      const from = at[i]! + 1;
      const to = Math.min(from + TRIP, edge(i + 1) + 1);
      at[i] = to - 1;
      return from < to ? [{ ask: 'score', state, tokens: corpus.tokens.slice(from, to) } satisfies Request] : [];
    });
    if (active.length === 0) return total;
    for (const answer of await run(active)) {
      if (answer === undefined) throw notFinite();
      total -= answer.scores.reduce((sum, score) => sum + score, 0);
    }
  }
}
