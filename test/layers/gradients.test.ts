/**
 * Every layer against the double reference: the forward pass, and every gradient against central differences of the
 * scalar Σ dout⊙out. Weights are random, pairwise different and not square, so that a swapped or transposed matrix shows.
 */
import test from 'ava';
import {
  RNN,
  Tensor,
  TimeAffine,
  TimeEmbedding,
  TimeGRU,
  TimeLSTM,
  TimeRNN,
  TimeSoftmaxWithLoss,
} from 'timernn/layers';
import { dot, double, Errors, randomFloats, randomIntegers } from '../helpers/compare.js';
import {
  affineForward,
  CELLS,
  type Cell,
  type CellTensors,
  cellForward,
  centralDifference,
  crossEntropy,
  type Dims,
  embeddingForward,
  lastStep,
  rnnForward,
} from '../helpers/reference.js';

const SEEDS = Array.from({ length: 10 }, (_, seed) => seed);

interface Case extends Dims {
  seed: number;
  label: string;
}

/** Small sizes with ten seeds; one size beyond the width of every vector kernel, with one: most of the time goes there. */
function cases(steps: readonly number[]): Case[] {
  const sizes = [
    { D: 3, H: 5, seeds: SEEDS },
    { D: 7, H: 4, seeds: SEEDS },
    { D: 17, H: 35, seeds: SEEDS.slice(0, 1) },
  ];
  return sizes.flatMap(({ D, H, seeds }) =>
    steps.flatMap((T) =>
      [1, 3].flatMap((N) =>
        seeds.map((seed) => ({ N, T, D, H, seed, label: `N=${N} T=${T} D=${D} H=${H} seed=${seed}` })),
      ),
    ),
  );
}

/** Arrays of one case, in 32 bits for the layer and as doubles for the reference. */
function recurrentArrays({ N, T, D, H, seed }: Case) {
  const floats = {
    xs: randomFloats(N * T * D, 1.5, seed * 10),
    h0: randomFloats(N * H, 0.9, seed * 10 + 1),
    Wx: randomFloats(D * H, 1.2 / Math.sqrt(D), seed * 10 + 2),
    Wh: randomFloats(H * H, 1.2 / Math.sqrt(H), seed * 10 + 3),
    b: randomFloats(H, 0.5, seed * 10 + 4),
    dhs: randomFloats(N * T * H, 1, seed * 10 + 5),
    dhNext: randomFloats(N * H, 1, seed * 10 + 6),
  };
  const { xs, h0, Wx, Wh, b } = floats;
  return { floats, doubles: { xs: double(xs), h0: double(h0), Wx: double(Wx), Wh: double(Wh), b: double(b) } };
}

/** Fills the gradients with NaN: a backward that adds to them, or leaves one out, shows. */
function spoil({ grads }: { grads: object }): void {
  for (const { data } of Object.values(grads) as Tensor[]) data.fill(Number.NaN);
}

function setParams(
  params: { Wx: Tensor; Wh: Tensor; b: Tensor },
  values: { Wx: Float32Array; Wh: Float32Array; b: Float32Array },
) {
  params.Wx.data.set(values.Wx);
  params.Wh.data.set(values.Wh);
  params.b.data.set(values.b);
}

test('TimeRNN: hs, dxs, dhPrev, dWx, dWh, db', (t) => {
  const errors = new Errors();
  for (const one of cases([1, 2, 5])) {
    const { N, T, D, H, label } = one;
    const { floats, doubles: r } = recurrentArrays(one);
    const layer = new TimeRNN({ inputSize: D, hiddenSize: H });
    setParams(layer.params, floats);
    layer.setState(new Tensor(floats.h0, [N, H]));
    const hs = layer.forward(new Tensor(floats.xs, [N, T, D]));
    spoil(layer);
    const { dxs, dhPrev } = layer.backward(new Tensor(floats.dhs, [N, T, H]), new Tensor(floats.dhNext, [N, H]));

    const forward = () => rnnForward(r.xs, r.h0, r.Wx, r.Wh, r.b, one);
    const loss = () => {
      const out = forward();
      return dot(out, floats.dhs) + dot(lastStep(out, one), floats.dhNext);
    };
    errors.record('hs', label, hs.data, forward());
    errors.record('dxs', label, dxs.data, centralDifference(loss, r.xs));
    errors.record('dhPrev', label, dhPrev.data, centralDifference(loss, r.h0));
    errors.record('dWx', label, layer.grads.Wx.data, centralDifference(loss, r.Wx));
    errors.record('dWh', label, layer.grads.Wh.data, centralDifference(loss, r.Wh));
    errors.record('db', label, layer.grads.b.data, centralDifference(loss, r.b));
  }
  errors.check(t, ['hs', 'dxs', 'dhPrev', 'dWx', 'dWh', 'db']);
});

/** A layer over windows with either kind of state. */
interface WindowLayer {
  params: object;
  grads: object;
  setState(h: Tensor, c?: Tensor): void;
  forward(xs: Tensor): Tensor;
  backward(dhs: Tensor, dhNext?: Tensor, dcNext?: Tensor): { dxs: Tensor; dhPrev: Tensor; dcPrev?: Tensor };
}

const GATED: [name: string, cell: Cell, make: (inputSize: number, hiddenSize: number) => WindowLayer][] = [
  ['TimeRNN relu', 'rnn-relu', (inputSize, hiddenSize) => new TimeRNN({ inputSize, hiddenSize, activation: 'relu' })],
  ['TimeLSTM', 'lstm', (inputSize, hiddenSize) => new TimeLSTM({ inputSize, hiddenSize }) as WindowLayer],
  ['TimeGRU', 'gru', (inputSize, hiddenSize) => new TimeGRU({ inputSize, hiddenSize })],
  [
    'TimeGRU, reset before',
    'gru-reset-before',
    (inputSize, hiddenSize) => new TimeGRU({ inputSize, hiddenSize, resetAfter: false }),
  ],
];

/** Parameters, states and gradients of one case; the state's vectors one by one. */
function gatedArrays(cell: Cell, layer: WindowLayer, { N, T, D, H, seed }: Case) {
  const { states } = CELLS[cell];
  const tensors = new Map<string, Float32Array>();
  for (const [i, [name, { data, shape }]] of (Object.entries(layer.params) as [string, Tensor][]).entries()) {
    const range = shape.length === 2 ? 1.2 / Math.sqrt(shape[0] as number) : 0.5;
    data.set(randomFloats(data.length, range, seed * 10 + 20 + i));
    tensors.set(name, data);
  }
  const vectors = (first: number, range: number) =>
    Array.from({ length: states }, (_, k) => randomFloats(N * H, range, seed * 10 + first + k));
  const xs = randomFloats(N * T * D, 1.5, seed * 10);
  return { tensors, xs, state: vectors(1, 0.9), dhs: randomFloats(N * T * H, 1, seed * 10 + 5), next: vectors(6, 1) };
}

const concat = (parts: Float32Array[]) => Float64Array.from(parts.flatMap((part) => [...part]));

for (const [name, cell, make] of GATED) {
  test(`${name}: hs, dxs, the gradient at the first state, and all gradients`, (t) => {
    const errors = new Errors();
    const names = new Set<string>();
    for (const one of cases([1, 2, 5]).filter(({ seed }) => seed < 5)) {
      const { N, T, D, H, label } = one;
      const layer = make(D, H);
      const { tensors, xs, state, dhs, next } = gatedArrays(cell, layer, one);
      const nh = (data: Float32Array) => new Tensor(data, [N, H]);
      layer.setState(...(state.map(nh) as [Tensor, Tensor?]));
      const hs = layer.forward(new Tensor(xs, [N, T, D]));
      spoil(layer);
      const back = layer.backward(new Tensor(dhs, [N, T, H]), ...next.map(nh));

      const [x, s] = [double(xs), concat(state)];
      const params = Object.fromEntries([...tensors].map(([key, data]) => [key, double(data)]));
      const forward = () => cellForward(cell, x, s, params as unknown as CellTensors, one);
      const loss = () => {
        const out = forward();
        return dot(out.hs, dhs) + dot(out.end, concat(next));
      };
      const dstate = centralDifference(loss, s);
      errors.record('hs', label, hs.data, forward().hs);
      errors.record('dxs', label, back.dxs.data, centralDifference(loss, x));
      errors.record('dhPrev', label, back.dhPrev.data, dstate.subarray(0, N * H));
      if (back.dcPrev !== undefined) errors.record('dcPrev', label, back.dcPrev.data, dstate.subarray(N * H));
      for (const [key, { data }] of Object.entries(layer.grads) as [string, Tensor][]) {
        names.add(`d${key}`);
        errors.record(`d${key}`, label, data, centralDifference(loss, params[key]!));
      }
    }
    t.deepEqual([...names], ['dWx', 'dWh', 'db', ...(cell === 'gru' ? ['dbn'] : [])]);
    errors.check(t, ['hs', 'dxs', 'dhPrev', ...(cell === 'lstm' ? ['dcPrev'] : []), ...names]);
  });
}

test('RNN: h, dx, dhPrev, dWx, dWh, db', (t) => {
  const errors = new Errors();
  for (const one of cases([1])) {
    const { N, D, H, label } = one;
    const { floats, doubles: r } = recurrentArrays(one);
    const layer = new RNN({ inputSize: D, hiddenSize: H });
    setParams(layer.params, floats);
    const h = layer.forward(new Tensor(floats.xs, [N, D]), new Tensor(floats.h0, [N, H]));
    spoil(layer);
    const { dx, dhPrev } = layer.backward(new Tensor(floats.dhs, [N, H]));

    const forward = () => rnnForward(r.xs, r.h0, r.Wx, r.Wh, r.b, one);
    const loss = () => dot(forward(), floats.dhs);
    errors.record('h', label, h.data, forward());
    errors.record('dx', label, dx.data, centralDifference(loss, r.xs));
    errors.record('dhPrev', label, dhPrev.data, centralDifference(loss, r.h0));
    errors.record('dWx', label, layer.grads.Wx.data, centralDifference(loss, r.Wx));
    errors.record('dWh', label, layer.grads.Wh.data, centralDifference(loss, r.Wh));
    errors.record('db', label, layer.grads.b.data, centralDifference(loss, r.b));
  }
  errors.check(t, ['h', 'dx', 'dhPrev', 'dWx', 'dWh', 'db']);
});

test('TimeEmbedding: xs, dW', (t) => {
  const errors = new Errors();
  for (const { N, T, D, H: V, seed, label } of cases([1, 2, 5])) {
    const ids = randomIntegers(N * T, V, seed);
    const W = randomFloats(V * D, 1, seed + 100);
    const dout = randomFloats(N * T * D, 1, seed + 200);
    const layer = new TimeEmbedding({ vocabularySize: V, embeddingSize: D });
    layer.params.W.data.set(W);
    const xs = layer.forward({ data: ids, shape: [N, T] });
    spoil(layer);
    layer.backward(new Tensor(dout, [N, T, D]));

    const table = double(W);
    const loss = () => dot(embeddingForward(ids, table, D), dout);
    errors.record('xs', label, xs.data, embeddingForward(ids, table, D));
    errors.record('dW', label, layer.grads.W.data, centralDifference(loss, table));
  }
  errors.check(t, ['xs', 'dW']);
});

test('TimeAffine: ys, dxs, dW, db', (t) => {
  const errors = new Errors();
  for (const { N, T, D: I, H: O, seed, label } of cases([1, 2, 5])) {
    const floats = {
      xs: randomFloats(N * T * I, 1, seed * 10),
      W: randomFloats(I * O, 1, seed * 10 + 1),
      b: randomFloats(O, 1, seed * 10 + 2),
      dys: randomFloats(N * T * O, 1, seed * 10 + 3),
    };
    const layer = new TimeAffine({ inputSize: I, outputSize: O });
    layer.params.W.data.set(floats.W);
    layer.params.b.data.set(floats.b);
    const ys = layer.forward(new Tensor(floats.xs, [N, T, I]));
    spoil(layer);
    const dxs = layer.backward(new Tensor(floats.dys, [N, T, O]));

    const [x, W, b] = [double(floats.xs), double(floats.W), double(floats.b)];
    const forward = () => affineForward(x, W, b, N * T, I, O);
    const loss = () => dot(forward(), floats.dys);
    errors.record('ys', label, ys.data, forward());
    errors.record('dxs', label, dxs.data, centralDifference(loss, x));
    errors.record('dW', label, layer.grads.W.data, centralDifference(loss, W));
    errors.record('db', label, layer.grads.b.data, centralDifference(loss, b));
  }
  errors.check(t, ['ys', 'dxs', 'dW', 'db']);
});

test('TimeSoftmaxWithLoss: loss, dxs, with some labels ignored', (t) => {
  const errors = new Errors();
  for (const { N, T, H: V, seed, label } of cases([1, 2, 5])) {
    const scores = randomFloats(N * T * V, 4, seed);
    const labels = randomIntegers(N * T, V, seed + 50).map((id, m) => (m % 3 === 1 ? -1 : id));
    const dout = 0.7 + seed;
    const layer = new TimeSoftmaxWithLoss();
    const loss = layer.forward(new Tensor(scores, [N, T, V]), { data: labels, shape: [N, T] });
    const dxs = layer.backward(dout);

    const logits = double(scores);
    const mean = () => {
      const { sum, counted } = crossEntropy(logits, labels, V);
      return sum / counted;
    };
    errors.record('loss', label, Float32Array.of(loss), Float64Array.of(mean()));
    errors.record(
      'dxs',
      label,
      dxs.data,
      centralDifference(() => dout * mean(), logits),
    );
  }
  errors.check(t, ['loss', 'dxs']);
});
