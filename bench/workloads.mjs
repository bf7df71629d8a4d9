/**
 * The workloads of the project (design, section 8). One line each: `kind` says which step is measured, the rest are dims.
 * A new workload of a known kind is one more line; a new kind also needs its step in `ours/` and in the peers.
 *
 *   lm     a whole training step of a language model
 *   layer  forward + backward of one recurrent layer
 *   step   one stream, one token at a time: feed, score the vocabulary, sample the next
 */
const training = { kind: 'lm', lr: 0.5, clip: 5 };

export const workloads = [
  {
    name: 'W1',
    title: 'tanh RNN language model',
    ...training,
    cell: 'rnn',
    layers: 1,
    N: 20,
    T: 35,
    D: 100,
    H: 100,
    V: 10_000,
  },
  {
    name: 'W2',
    title: 'LSTM language model',
    ...training,
    cell: 'lstm',
    layers: 2,
    N: 20,
    T: 35,
    D: 200,
    H: 200,
    V: 10_000,
  },
  {
    name: 'W3',
    title: 'tanh RNN language model',
    ...training,
    cell: 'rnn',
    layers: 1,
    N: 32,
    T: 64,
    D: 64,
    H: 512,
    V: 96,
  },
  {
    name: 'W4',
    title: 'LSTM language model',
    ...training,
    cell: 'lstm',
    layers: 2,
    N: 20,
    T: 35,
    D: 650,
    H: 650,
    V: 10_000,
  },
  { name: 'W5', title: 'tanh RNN layer alone', kind: 'layer', cell: 'rnn', layers: 1, N: 64, T: 64, D: 256, H: 256 },
  { name: 'W6', title: 'LSTM layer alone', kind: 'layer', cell: 'lstm', layers: 1, N: 64, T: 32, D: 512, H: 512 },
  {
    name: 'W7r',
    title: 'tanh RNN, a token at a time',
    kind: 'step',
    cell: 'rnn',
    layers: 1,
    N: 1,
    T: 1,
    D: 512,
    H: 512,
    V: 10_000,
  },
  {
    name: 'W7l',
    title: 'LSTM, a token at a time',
    kind: 'step',
    cell: 'lstm',
    layers: 2,
    N: 1,
    T: 1,
    D: 650,
    H: 650,
    V: 10_000,
  },
  {
    name: 'W8',
    title: 'tanh RNN language model',
    ...training,
    cell: 'rnn',
    layers: 1,
    N: 16,
    T: 32,
    D: 32,
    H: 128,
    V: 64,
  },
];

/** Workers (our side) and threads (the peers) that a workload is measured on. */
export const threadCounts = [1, 2];

/** Gates of each cell: a layer's weights are D×G·H and H×G·H. */
export const gates = { rnn: 1, lstm: 4, gru: 3 };

/** Weights that multiply at each token. The embedding is a gather and does not count. */
export function weightsPerToken({ kind, cell, layers, D, H, V }) {
  let weights = 0;
  for (let layer = 0; layer < layers; layer++) weights += gates[cell] * ((layer === 0 ? D : H) * H + H * H);
  return kind === 'layer' ? weights : weights + H * V;
}

/** Floating-point operations for one token: 2 a weight forward, 4 more backward; elementwise functions do not count. */
export const flopsPerToken = (workload) => (workload.kind === 'step' ? 2 : 6) * weightsPerToken(workload);

/** The architecture of a workload as the library names it. */
export const specOf = ({ cell, layers, D, H, V }) => ({
  input: { kind: 'tokens', vocabulary: V, embedding: D },
  layers: Array.from({ length: layers }, () => ({ cell, size: H })),
  output: { kind: 'softmax' },
});
