import test from 'ava';
import { Tensor } from 'timernn/layers';

test('a tensor keeps its array, copies its shape, and reads row-major', (t) => {
  const data = Float32Array.from({ length: 24 }, (_, i) => i);
  const shape = [2, 3, 4];
  const tensor = new Tensor(data, shape);
  shape[0] = 9;
  t.is(tensor.data, data);
  t.deepEqual(tensor.shape, [2, 3, 4]);
  t.true(Object.isFrozen(tensor.shape));
  t.is(tensor.size, 24);
  t.is(tensor.at(1, 2, 3), 23);
  t.is(tensor.at(1, 0, 2), 14);
});

test('clone shares nothing', (t) => {
  const tensor = new Tensor(Float32Array.of(1, 2), [2]);
  const copy = tensor.clone();
  copy.data[0] = 7;
  t.is(tensor.at(0), 1);
  t.deepEqual(copy.shape, [2]);
});

test('the largest floats are finite, in any number; one infinity among them is not, wherever it is', (t) => {
  const data = new Float32Array(1001).fill(3.4028234663852886e38);
  t.notThrows(() => new Tensor(data, [1001], { finite: true }));
  for (const i of [0, 1, 2, 3, 1000]) {
    const one = data.slice();
    one[i] = -Infinity;
    one[5] = Infinity;
    t.throws(() => new Tensor(one, [1001], { finite: true }), {
      code: 'ERR_TIMERNN_NOT_FINITE',
      message: i < 5 ? `Expected data to be finite, got -Infinity at [${i}]` : /got Infinity at \[5\]$/,
    });
  }
});

test('zeros', (t) => {
  const tensor = Tensor.zeros([2, 3]);
  t.deepEqual([...tensor.data], [0, 0, 0, 0, 0, 0]);
});

test('a SharedArrayBuffer may lie beneath', (t) => {
  const tensor = new Tensor(new Float32Array(new SharedArrayBuffer(24)), [2, 3], { finite: true });
  t.is(tensor.at(1, 2), 0);
});

const shape = 'ERR_TIMERNN_SHAPE';
const refused: [what: string, make: () => unknown, code: string, message: string][] = [
  [
    'too few elements',
    () => new Tensor(new Float32Array(5), [2, 3]),
    shape,
    'Expected data of shape 2×3 to have 6 elements, got 5',
  ],
  ['a plain array', () => new Tensor([1, 2] as never, [2]), shape, 'Expected data to be a Float32Array, got [1, 2]'],
  [
    'doubles',
    () => new Tensor(new Float64Array(2) as never, [2]),
    shape,
    'Expected data to be a Float32Array, got Float64Array(2)',
  ],
  [
    'no shape',
    () => new Tensor(new Float32Array(1), undefined as never),
    shape,
    'Expected shape to be a list of positive integers, got undefined',
  ],
  [
    'no dimension',
    () => new Tensor(new Float32Array(1), []),
    shape,
    'Expected shape to be a list of positive integers, got []',
  ],
  ['a length of 0', () => Tensor.zeros([2, 0]), shape, 'Expected shape to be a list of positive integers, got [2, 0]'],
  ['a fraction', () => Tensor.zeros([1.5]), shape, 'Expected shape to be a list of positive integers, got [1.5]'],
  ['a negative length', () => Tensor.zeros([-1]), shape, 'Expected shape to be a list of positive integers, got [-1]'],
  [
    'NaN',
    () => new Tensor(Float32Array.of(0, 1, 2, 3, Number.NaN, 5), [2, 3], { finite: true }),
    'ERR_TIMERNN_NOT_FINITE',
    'Expected data to be finite, got NaN at [1, 1]',
  ],
  [
    'an infinity',
    () => new Tensor(Float32Array.of(-Infinity), [1, 1], { finite: true }),
    'ERR_TIMERNN_NOT_FINITE',
    'Expected data to be finite, got -Infinity at [0, 0]',
  ],
  ['an index outside', () => Tensor.zeros([2, 3]).at(1, 3), shape, 'Expected an index inside 2×3, got [1, 3]'],
  ['too few indices', () => Tensor.zeros([2, 3]).at(1), shape, 'Expected an index inside 2×3, got [1]'],
];

for (const [what, make, code, message] of refused) {
  test(`refuses ${what}`, (t) => {
    t.throws(make, { name: 'TimeRNNError', code, message });
  });
}

test('refuses what cannot be allocated', (t) => {
  t.throws(() => Tensor.zeros([2 ** 31, 2 ** 31]), {
    name: 'TimeRNNError',
    code: shape,
    message: /^Expected a tensor that fits in memory, got 2147483648×2147483648/,
  });
});
