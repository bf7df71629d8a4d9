/** Perplexity against a double-precision reference: every token counted once, whatever the number of streams. */
import test from 'ava';
import fc from 'fast-check';
import { Corpus, type PerplexityOptions } from 'timernn';
import { planGroups } from '#src/models/evaluate.js';
import { untyped } from '../helpers/refused.js';
import { charCorpus, doubles, isCode, newModel, randomText, referenceLoss, train } from './helpers/models.js';

/** Relative error allowed: float32 forward passes, summed in double. Measured: below 1e-7. */
const TOLERANCE = 1e-6;

/** The reference for N streams: L − 1 predictions in N runs whose lengths differ by at most one, longer ones first. */
function runs(length: number, streams: number): { start: number; steps: number }[] {
  const out: { start: number; steps: number }[] = [];
  let start = 0;
  for (let i = 0; i < streams; i++) {
    const steps = Math.ceil((length - 1 - start) / (streams - i));
    out.push({ start, steps });
    start += steps;
  }
  return out;
}

for (const sizes of [[24], [12, 17]]) {
  test(`the exponential of the mean loss: ${sizes.length} layers`, async (t) => {
    const corpus = charCorpus(5000);
    const model = newModel(corpus, { sizes });
    await train(model, corpus, { streams: 4, window: 8, workers: 2, learningRate: 0.5, reportEvery: 100 }, () => true);
    const tensors = await doubles(model);
    for (const streams of [1, 2, 3, 8, 17, 100]) {
      let want = 0;
      for (const { start, steps } of runs(corpus.length, streams)) {
        want += referenceLoss(model, tensors, corpus.tokens, start, steps);
      }
      const got = Math.log(await model.perplexity(corpus, streams === 1 ? {} : { streams }));
      const error = Math.abs(got / (want / 4999) - 1);
      t.log(`${streams} streams: relative error ${error.toExponential(1)}`);
      t.true(error < TOLERANCE, `${streams} streams: ${got} against ${want / 4999}`);
    }
  });
}

test('each prediction belongs to one run of one group, for any length and number of streams', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 3000 }), fc.double({ min: 0, max: 1, noNaN: true }), (length, share) => {
      const streams = Math.max(1, Math.round(share * (length - 1)));
      const counted = new Uint8Array(length);
      let total = 0;
      for (const { starts, steps } of planGroups(length, streams)) {
        if (steps < 1 || starts.length < 1) return false;
        total += starts.length;
        for (const start of starts) for (let i = 0; i < steps; i++) counted[start + i + 1]!++;
      }
      return total === streams && counted[0] === 0 && counted.subarray(1).every((times) => times === 1);
    }),
  );
  t.pass(); // fc.assert above throws where the property fails
});

test('an untrained model is as good as a guess', async (t) => {
  const corpus = charCorpus(3000);
  const V = corpus.vocabulary.size;
  for (const seed of [1, 2, 3]) {
    const perplexity = await newModel(corpus, { seed }).perplexity(corpus, { streams: 5 });
    t.log(`V = ${V}, perplexity ${perplexity.toFixed(2)}`);
    t.true(perplexity > V * 0.85 && perplexity < V * 1.25);
  }
});

test('the shortest corpora', async (t) => {
  const corpus = charCorpus(2000);
  const model = newModel(corpus);
  const tensors = await doubles(model);
  for (const [length, streams] of [
    [2, 1],
    [3, 1],
    [3, 2],
    [66, 1],
    [65, 64],
  ] as const) {
    const few = Corpus.fromTokens(corpus.tokens.slice(0, length), { vocabulary: corpus.vocabulary });
    let want = 0;
    for (const { start, steps } of runs(length, streams))
      want += referenceLoss(model, tensors, few.tokens, start, steps);
    const got = Math.log(await model.perplexity(few, { streams })) * (length - 1);
    t.true(Math.abs(got - want) < TOLERANCE * want, `L = ${length}, N = ${streams}`);
  }
});

test('words: line ends are counted too', async (t) => {
  const corpus = Corpus.fromText(randomText(900), { unit: 'word', vocabularySize: 14 });
  const model = newModel(corpus);
  const want = referenceLoss(model, await doubles(model), corpus.tokens) / (corpus.length - 1);
  t.true(corpus.tokens.includes(corpus.vocabulary.lineEndId!));
  t.true(Math.abs(Math.log(await model.perplexity(corpus)) - want) < TOLERANCE * want);
});

const corpus = charCorpus(9000);
const model = newModel(corpus);
const ask = (options: unknown) => model.perplexity(corpus, options as PerplexityOptions);

test('the same number from call to call, also side by side', async (t) => {
  const [a, b, c] = await Promise.all([ask({ streams: 20 }), ask({ streams: 20 }), ask({ streams: 1 })]);
  t.is(a, b);
  t.is(await ask({ streams: 20 }), a);
  t.is(await ask({}), c);
});

test('a signal ends it with its reason: before, and between two trips', async (t) => {
  const reason = new Error('the reason');
  t.is(await t.throwsAsync(ask({ signal: AbortSignal.abort(reason) })), reason);
  const controller = new AbortController();
  const running = ask({ signal: controller.signal });
  controller.abort(reason);
  t.is(await t.throwsAsync(running), reason);
  t.true(Number.isFinite(await ask({})), 'and the model answers as before');
});

test('a token outside the vocabulary, in any stream', async (t) => {
  const shared = new Uint32Array(new SharedArrayBuffer(4 * 3000));
  const bad = Corpus.fromTokens(shared, { vocabulary: corpus.vocabulary });
  shared[2999] = corpus.vocabulary.size;
  for (const streams of [1, 50]) {
    const expected = isCode('ERR_TIMERNN_TOKEN', /got \d+ at position 2999$/);
    await t.throwsAsync(model.perplexity(bad, { streams }), expected);
  }
});

test('bad options and corpora', async (t) => {
  for (const streams of [0, -1, 1.5, Number.NaN, '4', 2 ** 31]) {
    await t.throwsAsync(ask({ streams }), isCode('ERR_TIMERNN_OPTION', /^Expected streams to be a positive integer/));
  }
  await t.throwsAsync(ask({ stream: 4 }), isCode('ERR_TIMERNN_OPTION', /perplexity.*got "stream"$/));
  await t.throwsAsync(ask(null), isCode('ERR_TIMERNN_OPTION', /object, got null$/));
  await t.throwsAsync(ask({ signal: 1 }), isCode('ERR_TIMERNN_OPTION', /^Expected signal/));
  await t.throwsAsync(ask({ streams: 9000 }), isCode('ERR_TIMERNN_CORPUS', /at most 8999/));
  await t.throwsAsync(model.perplexity(untyped('text')), isCode('ERR_TIMERNN_OPTION', /^Expected corpus/));
  const one = Corpus.fromTokens(Uint32Array.of(1), { vocabulary: corpus.vocabulary });
  await t.throwsAsync(model.perplexity(one), isCode('ERR_TIMERNN_CORPUS', /at least 2 tokens.*got 1$/));
  const other = Corpus.fromText('other', { unit: 'char' });
  await t.throwsAsync(model.perplexity(other), isCode('ERR_TIMERNN_VOCABULARY'));
});
