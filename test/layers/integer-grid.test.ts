/** Token ids and labels: the forms they may take, and what is refused. */
import test from 'ava';
import { Tensor, TimeEmbedding, TimeSoftmaxWithLoss } from 'timernn/layers';
import { bits } from '../helpers/compare.js';
import { type Refused, refuses, untyped } from '../helpers/refused.js';

const zeros = (...shape: number[]) => Tensor.zeros(shape);
const embedding = () => new TimeEmbedding({ vocabularySize: 7, embeddingSize: 3 });
const softmax = () => new TimeSoftmaxWithLoss();

test('rows and flat arrays, typed or not, are the same ids', (t) => {
  const want = embedding().forward([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  t.deepEqual(want.shape, [2, 3, 3]);
  const flat = [1, 2, 3, 4, 5, 6];
  const forms = [
    [Uint32Array.of(1, 2, 3), Int32Array.of(4, 5, 6)],
    { data: flat, shape: [2, 3] },
    { data: Int32Array.from(flat), shape: [2, 3] },
    { data: Uint32Array.from(flat), shape: [2, 3] },
  ];
  for (const ids of forms) t.is(bits(embedding().forward(ids).data), bits(want.data));
});

test('ids that the caller changes after forward do not reach backward', (t) => {
  const layer = embedding();
  const ids = [[1, 2]];
  const xs = layer.forward(ids);
  ids[0]!.fill(6);
  xs.data.fill(1);
  layer.backward(xs);
  t.deepEqual([...layer.grads.W.data], [0, 0, 0, 1, 1, 1, 1, 1, 1, ...new Array(12).fill(0)]);
});

test('labels that the caller changes after forward do not reach backward', (t) => {
  const layer = softmax();
  const labels = Int32Array.of(0);
  layer.forward(zeros(1, 1, 2), { data: labels, shape: [1, 1] });
  labels[0] = 1;
  t.deepEqual([...layer.backward().data], [-0.5, 0.5]);
});

const SHAPE: Refused[] = [
  [
    'TimeEmbedding: ragged rows',
    () => embedding().forward([[1, 2], [3]]),
    'Expected ids[1] to be a row of 2 integers, got 1 of them',
  ],
  [
    'TimeEmbedding: no rows',
    () => embedding().forward([]),
    'Expected ids to have shape N×T with positive N and T, got 0×0',
  ],
  [
    'TimeEmbedding: empty rows',
    () => embedding().forward([[], []]),
    'Expected ids to have shape N×T with positive N and T, got 2×0',
  ],
  [
    'TimeEmbedding: flat',
    () => embedding().forward(untyped([1, 2])),
    'Expected ids[0] to be a row of 0 integers, got 1',
  ],
  [
    'TimeEmbedding: a tensor of floats',
    () => embedding().forward(untyped(zeros(1, 2))),
    'Expected ids to be rows of integers or integers with a shape N×T, got Tensor',
  ],
  [
    'TimeEmbedding: nothing',
    () => embedding().forward(untyped(null)),
    'Expected ids to be rows of integers or integers with a shape N×T, got null',
  ],
  [
    'TimeEmbedding: length',
    () => embedding().forward({ data: Int32Array.of(1, 2, 3), shape: [2, 2] }),
    'Expected ids of shape 2×2 to have 4 elements, got 3',
  ],
  [
    'TimeEmbedding: rank',
    () => embedding().forward({ data: [1, 2, 3, 4], shape: [4] }),
    'Expected ids to have shape N×T with positive N and T, got 4',
  ],
  [
    'TimeEmbedding: a fraction of a row',
    () => embedding().forward({ data: [1, 2, 3], shape: [1.5, 2] }),
    'Expected ids to have shape N×T with positive N and T, got 1.5×2',
  ],
  [
    'TimeSoftmaxWithLoss: labels',
    () => softmax().forward(zeros(1, 3, 5), [[1, 2]]),
    'Expected labels to have shape 1×3, got 1×2',
  ],
];

const TOKEN: Refused[] = [
  [
    'an id of V',
    () =>
      embedding().forward([
        [0, 1],
        [2, 7],
      ]),
    'Expected ids at [1, 1] to be an integer in [0, 7), got 7',
  ],
  ['a negative id', () => embedding().forward([[-1]]), 'Expected ids at [0, 0] to be an integer in [0, 7), got -1'],
  ['a fraction', () => embedding().forward([[1.5]]), 'Expected ids at [0, 0] to be an integer in [0, 7), got 1.5'],
  ['NaN', () => embedding().forward([[0, Number.NaN]]), 'Expected ids at [0, 1] to be an integer in [0, 7), got NaN'],
  [
    'a string',
    () => embedding().forward(untyped([['1']])),
    'Expected ids at [0, 0] to be an integer in [0, 7), got "1"',
  ],
  [
    'an id that wraps to 0 in 32 bits',
    () => embedding().forward([[2 ** 32]]),
    'Expected ids at [0, 0] to be an integer in [0, 7), got 4294967296',
  ],
  [
    'a large unsigned id',
    () => embedding().forward({ data: Uint32Array.of(2 ** 32 - 1), shape: [1, 1] }),
    'Expected ids at [0, 0] to be an integer in [0, 7), got 4294967295',
  ],
  [
    'a label of V',
    () => softmax().forward(zeros(1, 2, 5), [[4, 5]]),
    'Expected labels at [0, 1] to be an integer in [0, 5) or -1 (ignored), got 5',
  ],
  [
    'a negative label that is not the ignored one',
    () => softmax().forward(zeros(1, 2, 5), [[-1, -2]]),
    'Expected labels at [0, 1] to be an integer in [0, 5) or -1 (ignored), got -2',
  ],
];

refuses('ERR_TIMERNN_SHAPE', SHAPE);
refuses('ERR_TIMERNN_TOKEN', TOKEN);
