/** State, truncation and ownership of TimeLSTM and TimeGRU; what they refuse; how they start. */
import test from 'ava';
import { RNN, Tensor, TimeGRU, TimeLSTM, TimeRNN } from 'timernn/layers';
import { bits, largestDifference, randomFloats } from '../helpers/compare.js';
import { type Refused, refuses, untyped } from '../helpers/refused.js';

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

interface Layer {
  readonly h: Tensor | undefined;
  readonly c?: Tensor | undefined;
  readonly dh: Tensor | undefined;
  readonly dc?: Tensor | undefined;
  readonly params: object;
  readonly grads: object;
  setState(h: Tensor, c?: Tensor): void;
  resetState(): void;
  forward(xs: Tensor): Tensor;
  backward(dhs: Tensor, dhNext?: Tensor, dcNext?: Tensor): { dxs: Tensor; dhPrev: Tensor; dcPrev?: Tensor };
}

const LAYERS: [name: string, create: (stateful: boolean) => Layer][] = [
  ['TimeLSTM', (stateful) => new TimeLSTM({ inputSize: D, hiddenSize: H, stateful, seed: 3 }) as Layer],
  ['TimeGRU', (stateful) => new TimeGRU({ inputSize: D, hiddenSize: H, stateful, seed: 3 })],
  [
    'TimeGRU, reset before',
    (stateful) => new TimeGRU({ inputSize: D, hiddenSize: H, stateful, resetAfter: false, seed: 3 }),
  ],
  ['TimeRNN relu', (stateful) => new TimeRNN({ inputSize: D, hiddenSize: H, stateful, activation: 'relu', seed: 3 })],
];

const gradients = ({ grads }: Layer) => (Object.values(grads) as Tensor[]).map(({ data }) => bits(data));

/** Joins two windows along the steps. */
function concatenate(a: Tensor, b: Tensor): Tensor {
  const [n, t, d] = a.shape as [number, number, number];
  const whole = Tensor.zeros([n, 2 * t, d]);
  for (let i = 0; i < n; i++) {
    whole.data.set(a.data.subarray(i * t * d, (i + 1) * t * d), 2 * i * t * d);
    whole.data.set(b.data.subarray(i * t * d, (i + 1) * t * d), (2 * i + 1) * t * d);
  }
  return whole;
}

for (const [name, create] of LAYERS) {
  for (const [steps, rows] of [
    [1, 1],
    [1, N],
    [T, 1],
    [T, N],
  ] as const) {
    test(`${name}: two windows of ${steps} with carried state are one window of ${2 * steps}, ${rows} rows`, (t) => {
      const [first, second] = [random([rows, steps, D], 1), random([rows, steps, D], 2)];
      const [carried, long] = [create(true), create(true)];
      const hs = concatenate(carried.forward(first), carried.forward(second));
      // A product of more rows may be grouped, and so rounded, differently.
      t.true(largestDifference(hs.data, long.forward(concatenate(first, second)).data) < 1e-6);
      t.true(largestDifference(carried.h!.data, long.h!.data) < 1e-6);
      if (long.c !== undefined) t.true(largestDifference(carried.c!.data, long.c.data) < 1e-6);
    });
  }

  test(`${name}: what backward returns joins two windows to one`, (t) => {
    const [first, second] = [random([N, T, D], 1), random([N, T, D], 2)];
    const [dFirst, dSecond] = [random([N, T, H], 3), random([N, T, H], 4)];
    const [a, b, whole] = [create(false), create(false), create(false)];
    a.forward(first);
    b.setState(a.h!, a.c);
    b.forward(second);
    const late = b.backward(dSecond);
    const early = a.backward(dFirst, late.dhPrev, late.dcPrev);
    whole.forward(concatenate(first, second));
    const both = whole.backward(concatenate(dFirst, dSecond));
    // Rounding of values near 1 over ten steps.
    t.true(largestDifference(concatenate(early.dxs, late.dxs).data, both.dxs.data) < 1e-5);
    t.true(largestDifference(early.dhPrev.data, both.dhPrev.data) < 1e-5);
    if (both.dcPrev !== undefined) t.true(largestDifference(early.dcPrev!.data, both.dcPrev.data) < 1e-5);
  });

  test(`${name}: truncation, an earlier window does not touch the gradient where the state is held fixed`, (t) => {
    const [second, dhs, h, c] = [random([N, T, D], 3), random([N, T, H], 4), random([N, H], 5), random([N, H], 6)];
    const run = (earlier: Tensor) => {
      const layer = create(true);
      layer.forward(earlier);
      layer.backward(dhs);
      layer.setState(h, ...(layer.c === undefined ? [] : [c]));
      layer.forward(second);
      const { dxs, dhPrev, dcPrev = dhPrev } = layer.backward(dhs);
      return [...gradients(layer), bits(dxs.data), bits(dhPrev.data), bits(dcPrev.data)];
    };
    t.deepEqual(run(random([N, T, D], 1)), run(random([N, T, D], 2)));
  });

  test(`${name}: states are copies, a reset forgets them, and a layer that is not stateful carries none`, (t) => {
    const [first, second] = [random([N, T, D], 1), random([N, T, D], 2)];
    const [fresh, plain, stateful] = [create(false), create(false), create(true)];
    const alone = bits(fresh.forward(second).data);
    plain.forward(first);
    t.is(bits(plain.forward(second).data), alone);
    const hs = stateful.forward(first);
    t.is(stateful.h!.at(1, 2), hs.at(1, T - 1, 2));
    stateful.h!.data.fill(9);
    stateful.c?.data.fill(9);
    t.not(bits(stateful.forward(second).data), alone);
    stateful.resetState();
    t.deepEqual([stateful.h, stateful.c], [undefined, undefined]);
    t.is(bits(stateful.forward(second).data), alone);
    const { dhPrev, dcPrev } = stateful.backward(random([N, T, H], 3));
    t.is(bits(stateful.dh!.data), bits(dhPrev.data));
    t.is(stateful.dc && bits(stateful.dc.data), dcPrev && bits(dcPrev.data));
  });

  test(`${name}: backward may be called again, and nothing that the caller changes reaches it`, (t) => {
    const run = (spoil: boolean) => {
      const [xs, dhs, layer] = [random([N, T, D], 1), random([N, T, H], 3), create(true)];
      const hs = layer.forward(xs);
      if (spoil) for (const { data } of [xs, hs, layer.h!]) data.fill(9);
      if (spoil) layer.backward(dhs);
      const { dxs } = layer.backward(dhs);
      return [...gradients(layer), bits(dxs.data)];
    };
    t.deepEqual(run(true), run(false));
  });
}

test('TimeLSTM: Wx in ±1/√D, Wh in ±1/√H, b zero but for the forget gate; TimeGRU: biases zero', (t) => {
  const [inputSize, hiddenSize] = [25, 36];
  const largest = ({ data }: Tensor) => data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const lstm = new TimeLSTM({ inputSize, hiddenSize }).params;
  const gru = new TimeGRU({ inputSize, hiddenSize }).params;
  for (const { Wx, Wh } of [lstm, gru]) {
    t.true(largest(Wx) > 0.19 && largest(Wx) <= Math.fround(1 / 5));
    t.true(largest(Wh) > 0.16 && largest(Wh) <= Math.fround(1 / 6));
  }
  t.deepEqual(
    [...lstm.b.data],
    Array.from({ length: 4 * 36 }, (_, i) => (i >= 36 && i < 72 ? 1 : 0)),
  );
  t.deepEqual([...gru.b.data, ...gru.bn!.data], new Array(4 * 36).fill(0));
  t.is(new TimeGRU({ inputSize, hiddenSize, resetAfter: false }).params.bn, undefined);
});

const lstm = () => new TimeLSTM({ inputSize: 3, hiddenSize: 4, stateful: true });
const zeros = (...shape: number[]) => Tensor.zeros(shape);
function lstmAfter(): TimeLSTM {
  const layer = lstm();
  layer.forward(zeros(2, 5, 3));
  return layer;
}

const SHAPE: Refused[] = [
  ['TimeLSTM h', () => lstm().setState(zeros(2, 3), zeros(2, 4)), 'Expected h to have shape N×4, got 2×3'],
  ['TimeLSTM c', () => lstm().setState(zeros(2, 4), zeros(3, 4)), 'Expected c to have shape 2×4, got 3×4'],
  [
    'TimeLSTM without c',
    () => lstm().setState(zeros(2, 4), untyped(undefined)),
    'Expected c to be a Tensor of shape 2×4, got undefined',
  ],
  [
    'TimeLSTM rows',
    () => lstmAfter().forward(zeros(3, 5, 3)),
    'Expected xs to have 2 rows as the carried state h of shape 2×4 has, got 3; ' +
      'call resetState() before a window with another number of rows',
  ],
  [
    'TimeLSTM dcNext',
    () => lstmAfter().backward(zeros(2, 5, 4), undefined, zeros(1, 4)),
    'Expected dcNext to have shape 2×4, got 1×4',
  ],
  [
    'TimeGRU dhs',
    () => {
      const layer = new TimeGRU({ inputSize: 3, hiddenSize: 4 });
      layer.forward(zeros(2, 5, 3));
      layer.backward(zeros(2, 5, 3));
    },
    'Expected dhs to have shape 2×5×4, got 2×5×3',
  ],
];
const STATE: Refused[] = [
  [
    'TimeLSTM',
    () => lstm().backward(zeros(2, 5, 4)),
    'Expected TimeLSTM.forward to be called before TimeLSTM.backward, got no forward pass',
  ],
];
const OPTION: Refused[] = [
  [
    'no options of TimeLSTM',
    () => new TimeLSTM(untyped(undefined)),
    'Expected the options of TimeLSTM to be an object, got undefined',
  ],
  [
    'no options of TimeGRU',
    () => new TimeGRU(untyped(null)),
    'Expected the options of TimeGRU to be an object, got null',
  ],
  [
    'resetAfter',
    () => new TimeGRU({ inputSize: 3, hiddenSize: 4, resetAfter: untyped('no') }),
    'Expected resetAfter to be a boolean, got "no"',
  ],
  [
    'an activation',
    () => new RNN({ inputSize: 3, hiddenSize: 4, activation: untyped('gelu') }),
    'Expected activation to be tanh or relu, got "gelu"',
  ],
];

refuses('ERR_TIMERNN_SHAPE', SHAPE);
refuses('ERR_TIMERNN_STATE', STATE);
refuses('ERR_TIMERNN_OPTION', OPTION);
