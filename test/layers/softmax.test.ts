/** TimeSoftmaxWithLoss at its edges: ignored labels, probabilities that underflow, one row, one class. */
import test from 'ava';
import { Tensor, TimeSoftmaxWithLoss } from 'timernn/layers';
import { bits, largestDifference, randomFloats } from '../helpers/compare.js';

const [N, T, V] = [2, 3, 5];
/** The vector exp stops at the smallest normal float, 1.2e-38, rather than at 0. */
const TINY = 2e-38;
const scores = () => new Tensor(randomFloats(N * T * V, 3, 1), [N, T, V]);

test('all labels ignored: loss 0, gradient 0', (t) => {
  const layer = new TimeSoftmaxWithLoss();
  t.is(
    layer.forward(scores(), [
      [-1, -1, -1],
      [-1, -1, -1],
    ]),
    0,
  );
  t.true(layer.backward().data.every((value) => value === 0));
});

test('the mean is over the labels that count, whatever stands in the ignored rows', (t) => {
  const layer = new TimeSoftmaxWithLoss();
  const xs = scores();
  const all = [
    [0, 1, 2],
    [3, 4, 0],
  ];
  const one = [
    [-1, -1, 2],
    [-1, -1, -1],
  ];
  const loss = layer.forward(xs, one);
  const gradient = layer.backward();
  const alone = new TimeSoftmaxWithLoss().forward(new Tensor(xs.data.slice(2 * V, 3 * V), [1, 1, V]), [[2]]);
  t.is(loss, alone);
  t.true(gradient.data.every((value, i) => (value === 0) === (i < 2 * V || i >= 3 * V)));
  xs.data.fill(1e4, 3 * V);
  t.is(layer.forward(xs, one), loss);
  t.not(layer.forward(xs, all), loss);
});

test('ignoreLabel can be any integer, even a class', (t) => {
  const layer = new TimeSoftmaxWithLoss({ ignoreLabel: 0 });
  const labels = [
    [0, 1, 2],
    [3, 4, 0],
  ];
  const loss = layer.forward(scores(), labels);
  const gradient = layer.backward();
  const minus = new TimeSoftmaxWithLoss();
  const same = minus.forward(
    scores(),
    labels.map((row) => row.map((label) => (label === 0 ? -1 : label))),
  );
  t.is(loss, same);
  t.is(bits(gradient.data), bits(minus.backward().data));
  t.throws(() => layer.forward(scores(), [labels[0]!, [3, 4, -1]]), {
    code: 'ERR_TIMERNN_TOKEN',
    message: 'Expected labels at [1, 2] to be an integer in [0, 5) or 0 (ignored), got -1',
  });
});

test('scores of ±10,000 underflow every other probability and stay finite', (t) => {
  const layer = new TimeSoftmaxWithLoss();
  const xs = Tensor.zeros([2, 1, V]);
  xs.data.fill(-1e4);
  xs.data[1] = 1e4;
  xs.data[V + 2] = 1e4;
  t.is(layer.forward(xs, [[1], [2]]), 0);
  t.true(largestDifference(layer.backward().data, new Float32Array(2 * V)) < TINY);
  // The label's own probability is exp(−20,000) = 0 in any float, its loss is 20,000 nats all the same.
  t.is(layer.forward(xs, [[0], [2]]), 1e4);
  t.true(largestDifference(layer.backward().data, [-0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0]) < TINY);
});

test('the largest floats stay finite', (t) => {
  const layer = new TimeSoftmaxWithLoss();
  const xs = new Tensor(Float32Array.of(3e38, -3e38, 0), [1, 1, 3]);
  t.is(layer.forward(xs, [[0]]), 0);
  t.true(Number.isFinite(layer.forward(xs, [[2]])));
  t.true(largestDifference(layer.backward().data, [1, 0, -1]) < TINY);
});

test('equal scores: ln V, and one class: 0', (t) => {
  const layer = new TimeSoftmaxWithLoss();
  // One exp and one log in float, relative error below 1e-6.
  t.true(Math.abs(layer.forward(Tensor.zeros([1, 1, 10]), [[7]]) - Math.log(10)) < 1e-5);
  t.is(layer.forward(new Tensor(Float32Array.of(3), [1, 1, 1]), [[0]]), 0);
  t.is(layer.backward().data[0], 0);
});

test('dout scales the gradient, and 1 is its default', (t) => {
  const layer = new TimeSoftmaxWithLoss();
  layer.forward(scores(), [
    [0, 1, 2],
    [3, 4, 0],
  ]);
  const one = layer.backward();
  t.is(bits(layer.backward(1).data), bits(one.data));
  // A power of two changes the exponent only, so it is exact.
  t.is(bits(layer.backward(4).data), bits(one.data.map((value) => value * 4)));
});
