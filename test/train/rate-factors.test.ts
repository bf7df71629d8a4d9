/** Step sizes by tensor: which tensors a name means, what does not move, and that a run goes on with its own alone. */
import { join } from 'node:path';
import test from 'ava';
import type { TrainOptions } from 'timernn';
import { planLayout } from '#src/memory/layout.js';
import { resolveRateFactors } from '#src/train/rate-factors.js';
import { charCorpus, digest, folderOf, isCode, newModel, train, weights } from '../models/helpers/models.js';

const corpus = charCorpus(4000);
const names = ['embedding.W', 'layers.0.Wx', 'layers.0.Wh', 'layers.1.Wh', 'layers.10.Wh', 'output.W', 'output.b'];
const tensors = planLayout(names.map((name) => ({ name, shape: [2] }))).placements;
const options: TrainOptions = { streams: 4, window: 16, epochs: 2, workers: 1 };

test('the longest key that is a name or the start of one, up to a dot', (t) => {
  t.deepEqual(
    resolveRateFactors({ layers: 0.5, 'layers.1': 2, 'layers.0.Wh': 0, output: 3 }, tensors),
    [1, 0.5, 0, 2, 0.5, 3, 3],
  );
  t.is(resolveRateFactors({ layers: 1 }, tensors), undefined);
  t.is(resolveRateFactors({}, tensors), undefined);
  t.is(resolveRateFactors(undefined, tensors), undefined);
});

test('what is refused', (t) => {
  for (const [given, message] of [
    [[0.5], /Expected rateFactors to be a plain object of names of tensors and numbers, got /],
    [new Map([['layers', 0.5]]), /Expected rateFactors to be a plain object/],
    [null, /Expected rateFactors to be a plain object/],
    ['layers', /Expected rateFactors to be a plain object/],
    [{ layers: -1 }, /Expected rateFactors\["layers"\] to be a finite number of at least 0.*, got -1/],
    [{ layers: Number.NaN }, /Expected rateFactors\["layers"\] .* got NaN/],
    [
      { lay: 1 },
      /Expected a key of rateFactors to be one of embedding\.W, .*output\.b, or the start of one up to a dot, got "lay"/,
    ],
  ] as const) {
    t.throws(() => resolveRateFactors(given, tensors), isCode('ERR_TIMERNN_OPTION', message));
  }
  const model = newModel(corpus);
  t.throws(() => model.train(corpus, { rateFactors: { hidden: 1 } }), isCode('ERR_TIMERNN_OPTION', /got "hidden"/));
});

test('a factor of 0 leaves tensors as they are; the same bits for any number of workers', async (t) => {
  const rateFactors = { layers: 0, 'layers.0.b': 0.5 };
  const start = newModel(corpus);
  const before = await weights(start);
  const digests = new Set<string>();
  for (const workers of [1, 2, 3]) {
    for (const optimizer of ['sgd', 'adam'] as const) {
      const model = newModel(corpus);
      await train(model, corpus, { ...options, workers, optimizer, rateFactors });
      for (const [name, values] of await weights(model)) {
        const same = values.every((value, i) => value === before.get(name)![i]);
        t.is(same, name.startsWith('layers.') && name !== 'layers.0.b', `${optimizer} ${name}`);
      }
      digests.add(await digest(model));
    }
  }
  t.is(digests.size, 2);
});

test('a factor on every tensor is a factor on the rate, bit for bit: every optimiser, weight decay, tied, averaged', async (t) => {
  for (const name of ['sgd', 'momentum', 'adagrad', 'rmsprop', 'adam', 'adamw', 'asgd'] as const) {
    const optimizer = name === 'asgd' ? ({ name, lambda: 0.01, averageFrom: 5 } as const) : name;
    const digests: string[] = [];
    for (const own of [
      { learningRate: 0.01 },
      { learningRate: 0.02, rateFactors: { embedding: 0.5, layers: 0.5, output: 0.5 } },
    ]) {
      const model = newModel(corpus, { embedding: 24, more: { tied: true } });
      await train(model, corpus, { ...options, optimizer, weightDecay: 0.125, ...own });
      digests.push(await digest(model));
    }
    t.is(digests[0], digests[1], name);
  }
});

test('a rate that its largest factor makes infinite in float32 is refused', (t) => {
  const own: TrainOptions = { learningRate: 10, rateFactors: { output: 3.4e38 } };
  t.throws(
    () => newModel(corpus).train(corpus, own),
    isCode('ERR_TIMERNN_OPTION', /learningRate .* at most 1\.0+.*, got 10/),
  );
});

test('a run goes on with its own factors, and is refused with others', async (t) => {
  const directory = join(await folderOf(t), 'run');
  const own: TrainOptions = { ...options, rateFactors: { layers: 0.5 }, run: { directory, resume: true } };
  const straight = newModel(corpus);
  await train(straight, corpus, { ...options, rateFactors: { layers: 0.5 } });
  const model = newModel(corpus);
  await train(model, corpus, own, ({ epoch }) => epoch === 1);
  for (const [rateFactors, message] of [
    [{ layers: 0.5, 'layers.0.Wh': 0.25 }, /Expected rateFactors\["layers\.0\.Wh"\] to be as .*, 0\.5, got 0\.25/],
    [{}, /Expected rateFactors to be as .*, \{"layers\.0\.Wx":0\.5,.*\}, got none/],
  ] as const) {
    await t.throwsAsync(
      train(newModel(corpus), corpus, { ...own, rateFactors }),
      isCode('ERR_TIMERNN_OPTION', message),
    );
  }
  // The same factors, said otherwise.
  const rateFactors = { 'layers.0': 0.5, embedding: 1 };
  const last = newModel(corpus);
  await train(last, corpus, { ...own, rateFactors });
  t.is(await digest(last), await digest(straight));
});
