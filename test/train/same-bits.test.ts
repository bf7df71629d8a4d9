/** The same bits for every number of workers, from run to run, and for every length of the rounds. */
import test from 'ava';
import type { LayerOptions, TrainOptions } from 'timernn';
import { charCorpus, digest, NOISY, newModel, train } from '../models/helpers/models.js';

/** For N = 20 an epoch has 201 windows of 8, the last one a single step; for N = 7 one of 572. */
const corpus = charCorpus(32_037);

async function bitsAfter(
  windows: number,
  sizes: readonly number[] | readonly LayerOptions[],
  options: { streams: number; workers: number; reportEvery?: number; shards?: number },
  seed = 1,
): Promise<string> {
  const layers = sizes.map((size) => (typeof size === 'number' ? { cell: 'rnn' as const, size } : size));
  const model = newModel(corpus, { layers, seed });
  await train(model, corpus, { window: 8, learningRate: 0.5, ...options }, ({ window }) => window >= windows);
  return digest(model);
}

for (const sizes of [[24], [20, 13]]) {
  for (const streams of [20, 7]) {
    test(`1, 2, 3 and 4 workers: ${sizes.length} layers, N = ${streams}, 200 windows`, async (t) => {
      const one = await bitsAfter(200, sizes, { streams, shards: 4, workers: 1, reportEvery: 200 });
      t.not(one, await digest(newModel(corpus, { sizes })), 'training changed the parameters');
      for (const workers of [2, 3, 4]) {
        t.is(await bitsAfter(200, sizes, { streams, shards: 4, workers, reportEvery: 200 }), one, `${workers} workers`);
      }
    });
  }
}

const GATED: LayerOptions[][] = [
  [{ cell: 'lstm', size: 24 }],
  [{ cell: 'gru', size: 24 }],
  [{ cell: 'rnn', size: 24, activation: 'relu' }],
  [
    { cell: 'lstm', size: 20 },
    { cell: 'gru', size: 13, resetAfter: false },
  ],
];

for (const layers of GATED) {
  test(`1, 2, 3 and 4 workers: ${layers.map(({ cell, size }) => `${cell} ${size}`).join(' → ')}`, async (t) => {
    const options = { streams: 20, reportEvery: 50 };
    const one = await bitsAfter(50, layers, { ...options, workers: 1 });
    t.not(one, await digest(newModel(corpus, { layers })), 'training changed the parameters');
    for (const workers of [2, 3, 4]) {
      t.is(await bitsAfter(50, layers, { ...options, workers }), one, `${workers} workers`);
    }
  });
}

test('from run to run, with rounds of any length, and to the end of an epoch whose last window is short', async (t) => {
  const first = await bitsAfter(201, [24], { streams: 20, workers: 2 });
  t.is(await bitsAfter(201, [24], { streams: 20, workers: 2 }), first);
  for (const reportEvery of [1, 37, 1000]) {
    t.is(await bitsAfter(201, [24], { streams: 20, workers: 2, reportEvery }), first, `reportEvery ${reportEvery}`);
  }
  t.not(await bitsAfter(200, [24], { streams: 20, workers: 2, reportEvery: 200 }), first, 'the last window counts');
});

test('the loss of an epoch: the same bits however many workers and rounds it took', async (t) => {
  const loss = async (options: { workers: number; reportEvery?: number }) => {
    const model = newModel(corpus, { sizes: [24], seed: 1 });
    return (await train(model, corpus, { streams: 20, window: 8, learningRate: 0.5, ...options })).epochLoss;
  };
  const first = await loss({ workers: 1, reportEvery: 1000 });
  t.true(first > 0 && first < Math.log(corpus.vocabulary.size));
  for (const options of [{ workers: 1, reportEvery: 1 }, { workers: 2, reportEvery: 37 }, { workers: 3 }]) {
    t.is(await loss(options), first, JSON.stringify(options));
  }
});

test('one stream, one shard: no more workers are started than there are shards', async (t) => {
  const one = await bitsAfter(50, [24], { streams: 1, workers: 1, reportEvery: 50 });
  t.is(await bitsAfter(50, [24], { streams: 1, workers: 4, reportEvery: 50 }), one);
  const shard = await bitsAfter(50, [24], { streams: 7, shards: 1, workers: 1, reportEvery: 50 });
  t.is(await bitsAfter(50, [24], { streams: 7, shards: 1, workers: 3, reportEvery: 50 }), shard);
});

test('parameters of more than one chunk of the reduction, and every number of shards', async (t) => {
  for (const shards of [3, 5]) {
    const one = await bitsAfter(20, [150], { streams: 20, shards, workers: 1, reportEvery: 20 });
    for (const workers of [2, 4]) {
      const more = await bitsAfter(20, [150], { streams: 20, shards, workers, reportEvery: 20 });
      t.is(more, one, `${shards} shards, ${workers} workers`);
    }
  }
});

test('another seed, other bits', async (t) => {
  const options = { streams: 20, workers: 2, reportEvery: 20 };
  t.not(await bitsAfter(20, [24], options, 1), await bitsAfter(20, [24], options, 2));
  t.not(await digest(newModel(corpus, { seed: 1 })), await digest(newModel(corpus, { seed: 2 })));
  const large = await digest(newModel(corpus, { seed: Number.MAX_SAFE_INTEGER }));
  t.not(large, await digest(newModel(corpus, { seed: Number.MAX_SAFE_INTEGER - 1 })), 'every bit of a seed counts');
});

const OPTIMIZERS: NonNullable<TrainOptions['optimizer']>[] = [
  'sgd',
  'momentum',
  'nesterov',
  'adagrad',
  'rmsprop',
  { name: 'adam', averageFrom: 10 },
  'adamw',
  { name: 'asgd', averageFrom: 10 },
];
for (const optimizer of OPTIMIZERS) {
  const name = typeof optimizer === 'string' ? optimizer : optimizer.name;
  for (const dropoutKind of name === 'adam' ? (['element', 'locked'] as const) : (['element'] as const)) {
    test(`1, 2 and 3 workers with all noise there is: ${name}, ${dropoutKind}`, async (t) => {
      const { train: text } = corpus.split({ heldOut: 0.8 });
      const bits = async (workers: number, seed = 1) => {
        const model = newModel(corpus, { ...NOISY, more: { ...NOISY.more, dropoutKind } });
        await train(model, text, {
          ...{ streams: 20, shards: 4, window: 9, epochs: 2, workers, seed, optimizer, learningRate: 0.01 },
          ...{ activationPenalty: 2, temporalPenalty: 1, clipValue: 0.1, weightDecay: 0.1, randomWindows: true },
          reportEvery: workers * 7,
        });
        return digest(model);
      };
      const one = await bits(1);
      for (const workers of [2, 3]) t.is(await bits(workers), one, `${workers} workers`);
      t.not(await bits(1, 2), one, 'another seed draws other masks');
    });
  }
}
