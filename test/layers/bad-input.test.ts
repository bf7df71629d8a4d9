/** What the layers refuse: each with a coded error whose message says tensor, expected and got. */
import test from 'ava';
import * as exported from 'timernn/layers';
import {
  RNN,
  Tensor,
  TimeAffine,
  TimeDropout,
  TimeEmbedding,
  TimeGRU,
  TimeLSTM,
  TimeRNN,
  TimeSoftmaxWithLoss,
} from 'timernn/layers';
import { type Refused, refuses, untyped } from '../helpers/refused.js';

const zeros = (...shape: number[]) => Tensor.zeros(shape);
const spoilt = (value: number, at: number, ...shape: number[]) => {
  const tensor = Tensor.zeros(shape);
  tensor.data[at] = value;
  return tensor;
};
function after<Layer>(layer: Layer, forward: (layer: Layer) => unknown): Layer {
  forward(layer);
  return layer;
}
const rnn = () => new RNN({ inputSize: 3, hiddenSize: 4 });
const timeRnn = () => new TimeRNN({ inputSize: 3, hiddenSize: 4, stateful: true });
const timeRnnAfter = () => after(timeRnn(), (layer) => layer.forward(zeros(2, 5, 3)));
const embedding = () => new TimeEmbedding({ vocabularySize: 7, embeddingSize: 3 });
const affine = () => new TimeAffine({ inputSize: 3, outputSize: 4 });
const softmax = () => new TimeSoftmaxWithLoss();

const SHAPE: Refused[] = [
  ['RNN: input size', () => rnn().forward(zeros(2, 4), zeros(2, 4)), 'Expected x to have shape N×3, got 2×4'],
  ['RNN: state rows', () => rnn().forward(zeros(2, 3), zeros(1, 4)), 'Expected hPrev to have shape 2×4, got 1×4'],
  ['RNN: rank', () => rnn().forward(zeros(2, 1, 3), zeros(2, 4)), 'Expected x to have shape N×3, got 2×1×3'],
  [
    'RNN: an array',
    () => rnn().forward(untyped([1, 2, 3]), zeros(1, 4)),
    'Expected x to be a Tensor of shape N×3, got [1, 2, 3]',
  ],
  [
    'RNN: no state',
    () => rnn().forward(zeros(2, 3), untyped(undefined)),
    'Expected hPrev to be a Tensor of shape 2×4, got undefined',
  ],
  [
    'RNN: dh',
    () => after(rnn(), (layer) => layer.forward(zeros(2, 3), zeros(2, 4))).backward(zeros(2, 3)),
    'Expected dh to have shape 2×4, got 2×3',
  ],
  ['TimeRNN: input size', () => timeRnn().forward(zeros(2, 5, 4)), 'Expected xs to have shape N×T×3, got 2×5×4'],
  ['TimeRNN: rank', () => timeRnn().forward(zeros(2, 3)), 'Expected xs to have shape N×T×3, got 2×3'],
  [
    'TimeRNN: a typed array',
    () => timeRnn().forward(untyped(new Float32Array(6))),
    'Expected xs to be a Tensor of shape N×T×3, got Float32Array(6)',
  ],
  ['TimeRNN: dhs', () => timeRnnAfter().backward(zeros(2, 4, 4)), 'Expected dhs to have shape 2×5×4, got 2×4×4'],
  [
    'TimeRNN: dhNext',
    () => timeRnnAfter().backward(zeros(2, 5, 4), zeros(1, 4)),
    'Expected dhNext to have shape 2×4, got 1×4',
  ],
  ['TimeRNN: state', () => timeRnn().setState(zeros(2, 3)), 'Expected h to have shape N×4, got 2×3'],
  [
    'TimeRNN: other rows than the carried state',
    () => timeRnnAfter().forward(zeros(3, 5, 3)),
    'Expected xs to have 2 rows as the carried state h of shape 2×4 has, got 3; ' +
      'call resetState() before a window with another number of rows',
  ],
  [
    'TimeEmbedding: dxs',
    () => after(embedding(), (layer) => layer.forward([[1, 2]])).backward(zeros(2, 1, 3)),
    'Expected dxs to have shape 1×2×3, got 2×1×3',
  ],
  ['TimeAffine: input size', () => affine().forward(zeros(2, 5, 4)), 'Expected xs to have shape N×T×3, got 2×5×4'],
  [
    'TimeAffine: dys',
    () => after(affine(), (layer) => layer.forward(zeros(2, 5, 3))).backward(zeros(2, 5, 3)),
    'Expected dys to have shape 2×5×4, got 2×5×3',
  ],
  [
    'TimeSoftmaxWithLoss: rank',
    () => softmax().forward(zeros(2, 5), [[1]]),
    'Expected xs to have shape N×T×V, got 2×5',
  ],
];

const NOT_FINITE: Refused[] = [
  [
    'RNN x',
    () => rnn().forward(spoilt(Number.NaN, 4, 2, 3), zeros(2, 4)),
    'Expected x to be finite, got NaN at [1, 1]',
  ],
  [
    'RNN hPrev',
    () => rnn().forward(zeros(2, 3), spoilt(Infinity, 7, 2, 4)),
    'Expected hPrev to be finite, got Infinity at [1, 3]',
  ],
  [
    'TimeRNN xs',
    () => timeRnn().forward(spoilt(Number.NaN, 23, 2, 5, 3)),
    'Expected xs to be finite, got NaN at [1, 2, 2]',
  ],
  [
    'TimeRNN dhs',
    () => timeRnnAfter().backward(spoilt(-Infinity, 0, 2, 5, 4)),
    'Expected dhs to be finite, got -Infinity at [0, 0, 0]',
  ],
  [
    'TimeRNN dhNext',
    () => timeRnnAfter().backward(zeros(2, 5, 4), spoilt(Number.NaN, 1, 2, 4)),
    'Expected dhNext to be finite, got NaN at [0, 1]',
  ],
  [
    'TimeRNN state',
    () => timeRnn().setState(spoilt(Number.NaN, 5, 2, 4)),
    'Expected h to be finite, got NaN at [1, 1]',
  ],
  [
    'TimeAffine xs',
    () => affine().forward(spoilt(Number.NaN, 2, 1, 1, 3)),
    'Expected xs to be finite, got NaN at [0, 0, 2]',
  ],
  [
    'TimeSoftmaxWithLoss xs',
    () => softmax().forward(spoilt(Infinity, 6, 1, 2, 5), [[1, 1]]),
    'Expected xs to be finite, got Infinity at [0, 1, 1]',
  ],
  [
    'TimeSoftmaxWithLoss dout',
    () => after(softmax(), (layer) => layer.forward(zeros(1, 1, 5), [[1]])).backward(Number.NaN),
    'Expected dout to be a finite number, got NaN',
  ],
];

const STATE: Refused[] = [
  [
    'RNN',
    () => rnn().backward(zeros(2, 4)),
    'Expected RNN.forward to be called before RNN.backward, got no forward pass',
  ],
  [
    'TimeRNN',
    () => timeRnn().backward(zeros(2, 5, 4)),
    'Expected TimeRNN.forward to be called before TimeRNN.backward, got no forward pass',
  ],
  [
    'TimeEmbedding',
    () => embedding().backward(zeros(2, 5, 3)),
    'Expected TimeEmbedding.forward to be called before TimeEmbedding.backward, got no forward pass',
  ],
  [
    'TimeAffine',
    () => affine().backward(zeros(2, 5, 4)),
    'Expected TimeAffine.forward to be called before TimeAffine.backward, got no forward pass',
  ],
  [
    'TimeSoftmaxWithLoss',
    () => softmax().backward(),
    'Expected TimeSoftmaxWithLoss.forward to be called before TimeSoftmaxWithLoss.backward, got no forward pass',
  ],
];

const OPTION: Refused[] = [
  ['zero', () => new RNN({ inputSize: 0, hiddenSize: 4 }), 'Expected inputSize to be a positive integer, got 0'],
  [
    'a fraction',
    () => new TimeRNN({ inputSize: 3, hiddenSize: 2.5 }),
    'Expected hiddenSize to be a positive integer, got 2.5',
  ],
  [
    'a string',
    () => new TimeAffine({ inputSize: untyped('3'), outputSize: 4 }),
    'Expected inputSize to be a positive integer, got "3"',
  ],
  [
    'nothing',
    () => new TimeAffine(untyped({ inputSize: 3 })),
    'Expected outputSize to be a positive integer, got undefined',
  ],
  [
    'NaN',
    () => new TimeEmbedding({ vocabularySize: Number.NaN, embeddingSize: 3 }),
    'Expected vocabularySize to be a positive integer, got NaN',
  ],
  [
    'a negative size',
    () => new TimeEmbedding({ vocabularySize: 7, embeddingSize: -3 }),
    'Expected embeddingSize to be a positive integer, got -3',
  ],
  ['no options', () => new RNN(untyped(undefined)), 'Expected the options of RNN to be an object, got undefined'],
  [
    'a number for stateful',
    () => new TimeRNN({ inputSize: 3, hiddenSize: 4, stateful: untyped(1) }),
    'Expected stateful to be a boolean, got 1',
  ],
  [
    'a negative seed',
    () => new RNN({ inputSize: 3, hiddenSize: 4, seed: -1 }),
    'Expected seed to be an integer of at least 0 and at most 9007199254740991, got -1',
  ],
  [
    'a fraction to ignore',
    () => new TimeSoftmaxWithLoss({ ignoreLabel: 0.5 }),
    'Expected ignoreLabel to be an integer of at least -2147483648, got 0.5',
  ],
];

const sizes = { inputSize: 3, hiddenSize: 4 };
/** Every layer with an option that it does not have, and those that it has. */
const UNKNOWN = (
  [
    [
      'RNN',
      () => new RNN(untyped({ ...sizes, stateful: true })),
      'stateful',
      'inputSize, hiddenSize, seed, activation',
    ],
    [
      'TimeRNN',
      () => new TimeRNN(untyped({ ...sizes, statefull: true })),
      'statefull',
      'inputSize, hiddenSize, seed, stateful, activation',
    ],
    [
      'TimeLSTM',
      () => new TimeLSTM(untyped({ ...sizes, activation: 'relu' })),
      'activation',
      'inputSize, hiddenSize, seed, stateful',
    ],
    [
      'TimeGRU',
      () => new TimeGRU(untyped({ ...sizes, resetBefore: true })),
      'resetBefore',
      'inputSize, hiddenSize, seed, stateful, resetAfter',
    ],
    [
      'TimeEmbedding',
      () => new TimeEmbedding(untyped({ vocabularySize: 7, embeddingSize: 3, size: 3 })),
      'size',
      'vocabularySize, embeddingSize, seed',
    ],
    [
      'TimeAffine',
      () => new TimeAffine(untyped({ inputSize: 3, outputSize: 4, bias: false })),
      'bias',
      'inputSize, outputSize, seed',
    ],
    ['TimeDropout', () => new TimeDropout(untyped({ rate: 0.2 })), 'rate', 'ratio, locked, seed'],
    ['TimeSoftmaxWithLoss', () => new TimeSoftmaxWithLoss(untyped({ ignoreIndex: 0 })), 'ignoreIndex', 'ignoreLabel'],
  ] as const
).map(
  ([layer, make, name, names]): Refused => [
    `${layer}: an unknown option`,
    make,
    `Expected the options of ${layer} to be among ${names}, got "${name}"`,
  ],
);

test('the table of unknown options has every layer', (t) => {
  const layers = Object.keys(exported).filter((name) => name !== 'Tensor');
  t.deepEqual(UNKNOWN.map(([what]) => what.split(':')[0]!).sort(), layers.sort());
});

refuses('ERR_TIMERNN_OPTION', UNKNOWN);
refuses('ERR_TIMERNN_SHAPE', SHAPE);
refuses('ERR_TIMERNN_NOT_FINITE', NOT_FINITE);
refuses('ERR_TIMERNN_STATE', STATE);
refuses('ERR_TIMERNN_OPTION', OPTION);

test('sizes whose weights cannot be allocated', (t) => {
  t.throws(() => new TimeRNN({ inputSize: 3, hiddenSize: 2 ** 31 - 1 }), { code: 'ERR_TIMERNN_SHAPE' });
});

test('a tensor whose buffer was transferred away', (t) => {
  const xs = zeros(2, 5, 3);
  structuredClone(xs.data, { transfer: [xs.data.buffer as ArrayBuffer] });
  t.throws(() => timeRnn().forward(xs), {
    code: 'ERR_TIMERNN_SHAPE',
    message: 'Expected xs of shape 2×5×3 to have 30 elements, got 0',
  });
});

test('a parameter whose buffer was transferred away is refused, not read', (t) => {
  const layer = affine();
  const { data } = layer.params.W;
  structuredClone(data, { transfer: [data.buffer as ArrayBuffer] });
  t.throws(() => layer.forward(zeros(2, 5, 3)), { code: 'ERR_TIMERNN_SHAPE' });
});
