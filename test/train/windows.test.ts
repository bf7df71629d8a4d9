/** What a run reads and reports: stream offsets, carried state, clipping, progress. Seen from outside, through `train`. */
import test from 'ava';
import { Corpus, type TrainProgress } from 'timernn';
import { randomIntegers } from '../helpers/compare.js';
import { charCorpus, digest, doubles, newModel, referenceLoss, train, weights } from '../models/helpers/models.js';

/** A corpus of 1,000 known tokens below 50, one of them replaced. */
function known(changed?: number): Corpus {
  const tokens = Uint32Array.from(randomIntegers(1000, 49, 3));
  if (changed !== undefined) tokens[changed] = 49;
  return Corpus.fromTokens(tokens, { vocabularySize: 50 });
}

test('N = 2, L = 1000: the first window reads x₀… and x₅₀₀…, and nothing else', async (t) => {
  const T = 10;
  const afterOneWindow = async (corpus: Corpus) => {
    const model = newModel(corpus);
    await train(model, corpus, { streams: 2, window: T, workers: 2, reportEvery: 1 }, () => true);
    return digest(model);
  };
  const bits = await afterOneWindow(known());
  for (const read of [0, T - 1, T, 500, 500 + T - 1, 500 + T]) {
    t.not(await afterOneWindow(known(read)), bits, `token ${read} is read`);
  }
  for (const unread of [T + 1, 499, 500 + T + 1, 999]) {
    t.is(await afterOneWindow(known(unread)), bits, `token ${unread} is not read`);
  }
});

test('the state is carried from window to window, and starts empty with each epoch', async (t) => {
  const corpus = charCorpus(333);
  const model = newModel(corpus, { sizes: [16, 9] });
  // Nothing is learnt at rate 0, so the epoch's mean is that of the reference over the whole text, state carried.
  const options = { streams: 1, window: 7, epochs: 2, workers: 1, learningRate: 0, reportEvery: 10 };
  const epochs: number[] = [];
  for await (const { epochEnd, epochLoss } of model.train(corpus, options)) if (epochEnd) epochs.push(epochLoss);
  const want = referenceLoss(model, await doubles(model), corpus.tokens) / 332;
  t.is(epochs.length, 2);
  t.is(epochs[0], epochs[1], 'the second epoch starts from the same empty state');
  t.true(Math.abs(epochs[0]! - want) < 1e-6 * want, `${epochs[0]} against ${want}`);
});

test('progress: windows, tokens, means and rates add up', async (t) => {
  const corpus = charCorpus(1000);
  const reports: TrainProgress[] = [];
  const rates = [0.5, 0.25];
  const options = {
    streams: 3,
    window: 10,
    epochs: 2,
    workers: 2,
    reportEvery: 10,
    learningRate: (epoch: number) => rates[epoch]!,
  };
  for await (const progress of newModel(corpus).train(corpus, options)) reports.push(progress);
  // ⌊1000/3⌋ = 333 steps: 34 windows, the last of 3 steps.
  t.deepEqual(
    reports.map(({ window }) => window),
    [10, 20, 30, 34, 10, 20, 30, 34],
  );
  t.deepEqual(
    reports.map(({ tokens }) => tokens),
    [300, 600, 900, 999, 1299, 1599, 1899, 1998],
  );
  for (const [i, r] of reports.entries()) {
    const epoch = i < 4 ? 0 : 1;
    t.like(r, { epoch, epochs: 2, windows: 34, epochEnd: i % 4 === 3, learningRate: rates[epoch]! });
    t.is(r.perplexity, Math.exp(r.loss));
    t.true(r.gradientNorm > 0 && r.tokensPerSecond > 0);
  }
  const [a, b, c, d] = reports as [TrainProgress, TrainProgress, TrainProgress, TrainProgress];
  const mean = (a.loss * 300 + b.loss * 300 + c.loss * 300 + d.loss * 99) / 999;
  t.true(Math.abs(d.epochLoss - mean) < 1e-12 * mean, 'the epoch weighs rounds by their tokens');
});

test('clipping: a step is as long as learningRate · min(norm, clip)', async (t) => {
  const corpus = charCorpus(400);
  const step = async (clip: number) => {
    const model = newModel(corpus);
    const before = await weights(model);
    const options = { streams: 4, window: 10, workers: 2, reportEvery: 1, learningRate: 0.5, clip };
    const { gradientNorm } = await train(model, corpus, options, () => true);
    let square = 0;
    for (const [name, values] of await weights(model)) {
      for (const [i, value] of values.entries()) square += (value - before.get(name)![i]!) ** 2;
    }
    return { length: Math.sqrt(square), norm: gradientNorm };
  };
  const free = await step(0);
  t.true(Math.abs(free.length - 0.5 * free.norm) < 1e-4 * free.length);
  const high = await step(free.norm * 2);
  t.is(high.length, free.length);
  const clipped = await step(free.norm / 3);
  t.is(clipped.norm, free.norm, 'the reported norm is the one before clipping');
  t.true(Math.abs(clipped.length - (0.5 * free.norm) / 3) < 1e-4 * free.length);
});
