/** State, truncation and ownership of TimeRNN and RNN. */
import test from 'ava';
import { RNN, Tensor, TimeRNN } from 'timernn/layers';
import { bits, double, Errors, largestDifference, randomFloats } from '../helpers/compare.js';
import { centralDifference, rnnForward } from '../helpers/reference.js';

const [N, T, D, H] = [3, 5, 4, 6];
const random = (shape: number[], seed: number) =>
  new Tensor(
    randomFloats(
      shape.reduce((a, b) => a * b),
      0.9,
      seed,
    ),
    shape,
  );
const create = (stateful: boolean) => new TimeRNN({ inputSize: D, hiddenSize: H, stateful, seed: 3 });
const gradients = ({ grads }: TimeRNN) => [grads.Wx, grads.Wh, grads.b].map(({ data }) => bits(data));

function concatenate(a: Tensor, b: Tensor): Tensor {
  const [n, t, d] = a.shape as [number, number, number];
  const whole = Tensor.zeros([n, 2 * t, d]);
  for (let i = 0; i < n; i++) {
    whole.data.set(a.data.subarray(i * t * d, (i + 1) * t * d), 2 * i * t * d);
    whole.data.set(b.data.subarray(i * t * d, (i + 1) * t * d), (2 * i + 1) * t * d);
  }
  return whole;
}

for (const steps of [1, T]) {
  for (const rows of [1, N]) {
    test(`two windows of ${steps} with carried state are one window of ${2 * steps}, ${rows} rows`, (t) => {
      const [first, second] = [random([rows, steps, D], 1), random([rows, steps, D], 2)];
      const carried = create(true);
      const hs = concatenate(carried.forward(first), carried.forward(second));
      const long = create(true).forward(concatenate(first, second));
      // The matrix products of a longer window have more rows, which a GEMM kernel may group, and so round, differently:
      // a few units in the last place (6e-8 below 1), which the recurrence passes on.
      t.true(largestDifference(hs.data, long.data) < 1e-6);
    });
  }
}

test('the carried state changes the forward pass; without stateful, or after resetState, it does not', (t) => {
  const [first, other, second] = [random([N, T, D], 1), random([N, T, D], 2), random([N, T, D], 3)];
  const fresh = bits(create(false).forward(second).data);
  const after = (layer: TimeRNN, window: Tensor) => {
    layer.forward(window);
    return bits(layer.forward(second).data);
  };
  t.not(after(create(true), first), fresh);
  t.not(after(create(true), first), after(create(true), other));
  t.is(after(create(false), first), fresh);
  const reset = create(true);
  reset.forward(first);
  reset.resetState();
  t.is(reset.h, undefined);
  t.is(bits(reset.forward(second).data), fresh);
});

test('truncation: with the carried state held fixed, an earlier window does not touch the gradient', (t) => {
  const [second, dhs, h] = [random([N, T, D], 3), random([N, T, H], 4), random([N, H], 5)];
  const run = (earlier: Tensor) => {
    const layer = create(true);
    layer.forward(earlier);
    layer.backward(dhs);
    layer.setState(h);
    layer.forward(second);
    const { dxs, dhPrev } = layer.backward(dhs);
    return [...gradients(layer), bits(dxs.data), bits(dhPrev.data)];
  };
  t.deepEqual(run(random([N, T, D], 1)), run(random([N, T, D], 2)));
});

test('truncation: the gradient of a carried window is that of the window alone, its first state a constant', (t) => {
  const [first, second, dhs] = [random([N, T, D], 1), random([N, T, D], 2), random([N, T, H], 3)];
  const layer = create(true);
  layer.forward(first);
  const h0 = layer.h as Tensor;
  layer.forward(second);
  const { dxs } = layer.backward(dhs);

  const [x, Wx, Wh, b] = [second, layer.params.Wx, layer.params.Wh, layer.params.b].map(({ data }) => double(data)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const state = double(h0.data);
  const loss = () =>
    rnnForward(x, state, Wx, Wh, b, { N, T, D, H }).reduce((sum, h, i) => sum + h * (dhs.data[i] as number), 0);
  const errors = new Errors();
  errors.record('dxs', 'second window', dxs.data, centralDifference(loss, x));
  errors.record('dWx', 'second window', layer.grads.Wx.data, centralDifference(loss, Wx));
  errors.record('dWh', 'second window', layer.grads.Wh.data, centralDifference(loss, Wh));
  errors.check(t, ['dxs', 'dWx', 'dWh']);

  // Through both windows the gradient is another one: the truncation is there to be seen.
  const whole = create(false);
  whole.forward(concatenate(first, second));
  whole.backward(concatenate(Tensor.zeros([N, T, H]), dhs));
  t.true(largestDifference(whole.grads.Wh.data, layer.grads.Wh.data) > 1e-2);
});

test('dhPrev of one window as dhNext of the window before is backpropagation through both', (t) => {
  const [first, second] = [random([N, T, D], 1), random([N, T, D], 2)];
  const [dFirst, dSecond] = [random([N, T, H], 3), random([N, T, H], 4)];
  const [a, b, whole] = [create(false), create(false), create(false)];
  a.forward(first);
  b.setState(a.h as Tensor);
  b.forward(second);
  const late = b.backward(dSecond);
  const early = a.backward(dFirst, late.dhPrev);
  whole.forward(concatenate(first, second));
  const both = whole.backward(concatenate(dFirst, dSecond));
  const sum = a.grads.Wh.data.map((value, i) => value + (b.grads.Wh.data[i] as number));
  // The two ways group the same sums differently: rounding of values near 1 over ten steps.
  t.true(largestDifference(concatenate(early.dxs, late.dxs).data, both.dxs.data) < 1e-5);
  t.true(largestDifference(sum, whole.grads.Wh.data) < 1e-5);
  t.true(largestDifference(early.dhPrev.data, both.dhPrev.data) < 1e-5);
});

test('dhNext left out is dhNext of zeros', (t) => {
  const [xs, dhs] = [random([N, T, D], 1), random([N, T, H], 2)];
  const layer = create(false);
  layer.forward(xs);
  const without = layer.backward(dhs);
  const zeros = layer.backward(dhs, Tensor.zeros([N, H]));
  t.is(bits(without.dxs.data), bits(zeros.dxs.data));
  t.is(bits(without.dhPrev.data), bits(zeros.dhPrev.data));
});

test('h and dh are the last state and the last dhPrev, as copies', (t) => {
  const layer = create(true);
  t.is(layer.h, undefined);
  t.is(layer.dh, undefined);
  const hs = layer.forward(random([N, T, D], 1));
  const { dhPrev } = layer.backward(random([N, T, H], 2));
  for (let n = 0; n < N; n++) {
    for (let j = 0; j < H; j++) t.is(layer.h?.at(n, j), hs.at(n, T - 1, j));
  }
  t.deepEqual(layer.dh?.shape, [N, H]);
  t.is(bits((layer.dh as Tensor).data), bits(dhPrev.data));
  (layer.h as Tensor).data.fill(9);
  (layer.dh as Tensor).data.fill(9);
  dhPrev.data.fill(9);
  t.is(layer.h?.at(0, 0), hs.at(0, T - 1, 0));
  t.not(layer.dh?.at(0, 0), 9);
});

test('setState sets the first state once, and for good in a stateful layer', (t) => {
  const [xs, h] = [random([N, T, D], 1), random([N, H], 2)];
  const layer = create(false);
  const fromZero = bits(layer.forward(xs).data);
  layer.setState(h);
  const fromState = bits(layer.forward(xs).data);
  t.not(fromState, fromZero);
  t.is(bits(layer.forward(xs).data), fromZero);
  const stateful = create(true);
  stateful.setState(h);
  t.is(bits(stateful.forward(xs).data), fromState);
  t.not(bits(stateful.forward(xs).data), fromState);
});

test('gradients are overwritten, in tensors that stay the same objects', (t) => {
  const layer = create(false);
  const { Wx } = layer.grads;
  layer.forward(random([N, T, D], 1));
  layer.backward(random([N, T, H], 2));
  const once = gradients(layer);
  layer.backward(random([N, T, H], 2));
  t.deepEqual(gradients(layer), once);
  t.is(layer.grads.Wx, Wx);
});

test('nothing that the caller changes after forward reaches backward', (t) => {
  const run = (spoil: boolean) => {
    const [xs, h, dhs] = [random([N, T, D], 1), random([N, H], 2), random([N, T, H], 3)];
    const layer = create(true);
    layer.setState(h);
    if (spoil) h.data.fill(9);
    const hs = layer.forward(xs);
    if (spoil) {
      xs.data.fill(9);
      hs.data.fill(9);
    }
    const { dxs } = layer.backward(dhs);
    return [...gradients(layer), bits(dxs.data)];
  };
  t.deepEqual(run(true), run(false));
});

test('RNN: what forward returns and takes can be changed before backward', (t) => {
  const run = (spoil: boolean) => {
    const [x, hPrev] = [random([N, D], 1), random([N, H], 2)];
    const layer = new RNN({ inputSize: D, hiddenSize: H });
    const h = layer.forward(x, hPrev);
    if (spoil) for (const { data } of [x, hPrev, h]) data.fill(9);
    const { dx, dhPrev } = layer.backward(random([N, H], 3));
    return [dx, dhPrev, layer.grads.Wx, layer.grads.Wh, layer.grads.b].map(({ data }) => bits(data));
  };
  t.deepEqual(run(true), run(false));
});

test('a window that is refused leaves state and backward as they were', (t) => {
  const layer = create(true);
  const dhs = random([N, T, H], 2);
  layer.forward(random([N, T, D], 1));
  const state = bits((layer.h as Tensor).data);
  layer.backward(dhs);
  const before = gradients(layer);
  const bad = random([N, T, D], 3);
  bad.data[7] = Number.NaN;
  t.throws(() => layer.forward(bad), { code: 'ERR_TIMERNN_NOT_FINITE' });
  t.throws(() => layer.forward(random([N + 1, T, D], 3)), { code: 'ERR_TIMERNN_SHAPE' });
  t.is(bits((layer.h as Tensor).data), state);
  layer.backward(dhs);
  t.deepEqual(gradients(layer), before);
});
