/** How layers start, and a model that is put together from all of them. */
import test from 'ava';
import { RNN, Tensor, TimeAffine, TimeEmbedding, TimeGRU, TimeRNN, TimeSoftmaxWithLoss } from 'timernn/layers';
import { bits } from '../helpers/compare.js';

const all = (layer: { params: object }) =>
  (Object.values(layer.params) as Tensor[]).map(({ data }) => bits(data)).join();

const makers: [name: string, make: (seed?: number) => { params: object; grads: object }][] = [
  ['RNN', (seed) => new RNN({ inputSize: 3, hiddenSize: 5, ...(seed === undefined ? {} : { seed }) })],
  ['TimeRNN', (seed) => new TimeRNN({ inputSize: 3, hiddenSize: 5, ...(seed === undefined ? {} : { seed }) })],
  [
    'TimeEmbedding',
    (seed) => new TimeEmbedding({ vocabularySize: 7, embeddingSize: 3, ...(seed === undefined ? {} : { seed }) }),
  ],
  ['TimeAffine', (seed) => new TimeAffine({ inputSize: 3, outputSize: 5, ...(seed === undefined ? {} : { seed }) })],
];

for (const [name, make] of makers) {
  test(`${name}: the seed decides the parameters; 1 is its default; gradients start at 0`, (t) => {
    t.is(all(make(4)), all(make(4)));
    t.not(all(make(4)), all(make(5)));
    t.not(all(make(4)), all(make(4 + 2 ** 32)));
    t.is(all(make()), all(make(1)));
    const { grads, params } = make();
    t.true((Object.values(grads) as Tensor[]).every(({ data }) => data.every((value) => value === 0)));
    t.true(Object.isFrozen(params) && Object.isFrozen(grads));
  });
}

test('RNN: Wx in ±1/√D, Wh orthogonal, b zero', (t) => {
  const [D, H] = [20, 37];
  const { Wx, Wh, b } = new RNN({ inputSize: D, hiddenSize: H }).params;
  const largest = Wx.data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  t.true(largest <= Math.fround(1 / Math.sqrt(D)) && largest > 0.9 / Math.sqrt(D));
  t.true(b.data.every((value) => value === 0));
  let worst = 0;
  for (let i = 0; i < H; i++) {
    for (let j = 0; j < H; j++) {
      let sum = 0;
      for (let k = 0; k < H; k++) sum += Wh.at(i, k) * Wh.at(j, k);
      worst = Math.max(worst, Math.abs(sum - (i === j ? 1 : 0)));
    }
  }
  // 37 products of 32-bit floats, and the rounding of the orthogonalisation.
  t.true(worst < 1e-5, `Wh·Whᵀ is off the identity by ${worst}`);
});

test('embedding in ±1 and affine in ±1/√I, both filling their range', (t) => {
  const largest = ({ data }: Tensor) => data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const embedding = largest(new TimeEmbedding({ vocabularySize: 50, embeddingSize: 20 }).params.W);
  const affine = largest(new TimeAffine({ inputSize: 25, outputSize: 40 }).params.W);
  t.true(embedding > 0.9 && embedding <= 1);
  t.true(affine > 0.18 && affine <= Math.fround(0.2));
});

test('a model of the four layers learns a sequence by hand-written SGD', (t) => {
  const [V, D, H] = [6, 5, 16];
  const embedding = new TimeEmbedding({ vocabularySize: V, embeddingSize: D });
  const rnn = new TimeRNN({ inputSize: D, hiddenSize: H, stateful: true });
  const affine = new TimeAffine({ inputSize: H, outputSize: V });
  const criterion = new TimeSoftmaxWithLoss();
  // After 0 comes 1 or 3, by what came before: without a memory the loss cannot fall below ln 2 · 2/6 = 0.23.
  const period = [0, 1, 2, 0, 3, 4];
  let at = 0;
  const losses: number[] = [];
  for (let step = 0; step < 300; step++, at += 4) {
    const token = (n: number, i: number) => period[(n * 2 + at + i) % period.length] as number;
    const grid = (shift: number) => [0, 1].map((n) => [0, 1, 2, 3].map((i) => token(n, i + shift)));
    losses.push(criterion.forward(affine.forward(rnn.forward(embedding.forward(grid(0)))), grid(1)));
    embedding.backward(rnn.backward(affine.backward(criterion.backward())).dxs);
    for (const { params, grads } of [embedding, rnn, affine]) {
      for (const [name, { data }] of Object.entries(params) as [string, Tensor][]) {
        const gradient = (grads as unknown as Record<string, Tensor>)[name]!.data;
        for (let i = 0; i < data.length; i++) data[i] = data[i]! - 0.5 * gradient[i]!;
      }
    }
  }
  t.true(losses[0]! > 1.4);
  t.true(losses.at(-1)! < 0.1, `the loss fell to ${losses.at(-1)} only`);
});

test('parameters and gradients are walked by name, across kinds of layers, without casts', (t) => {
  const xs = Tensor.zeros([1, 2, 3]);
  const layers = [
    new TimeRNN({ inputSize: 3, hiddenSize: 3 }),
    new TimeGRU({ inputSize: 3, hiddenSize: 3, resetAfter: false }),
    new TimeGRU({ inputSize: 3, hiddenSize: 3 }),
    new TimeAffine({ inputSize: 3, outputSize: 3 }),
  ];
  const seen: string[] = [];
  for (const layer of layers) {
    layer.backward(layer.forward(xs));
    for (const [name, { data }] of Object.entries(layer.params)) {
      const gradient: Tensor | undefined = layer.grads[name];
      t.is(gradient?.data.length, data.length, name);
      seen.push(name);
    }
  }
  t.is(seen.join(' '), 'Wx Wh b Wx Wh b Wx Wh b bn W b');
});
