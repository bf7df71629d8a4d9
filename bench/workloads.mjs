/**
 * The workloads of the project (design, section 8). One line each: `kind` says which step is measured, the rest are dims.
 * A new workload of a known kind is one more line; a new kind also needs its step in `ours/` and in the peers.
 *
 *   lm     a whole training step of a language model
 *   layer  forward + backward of one recurrent layer
 *   step   one stream, one token at a time: feed, score the vocabulary, sample the next
 */
const training = { kind: 'lm', lr: 0.5, clip: 5 };
const [layer, step] = [{ kind: 'layer' }, { kind: 'step' }];
const rnn = { cell: 'rnn', layers: 1 };
const lstm = (layers) => ({ cell: 'lstm', layers });
const sizes = (N, T, D, H, V) => ({ N, T, D, H, V });

export const workloads = [
  { name: 'W1', title: 'book', ...training, ...rnn, ...sizes(20, 35, 100, 100, 10_000) },
  { name: 'W2', title: 'small', ...training, ...lstm(2), ...sizes(20, 35, 200, 200, 10_000) },
  { name: 'W3', title: 'char', ...training, ...rnn, ...sizes(32, 64, 64, 512, 96) },
  { name: 'W4', title: 'medium', ...training, ...lstm(2), ...sizes(20, 35, 650, 650, 10_000) },
  { name: 'W5', title: 'layer', ...layer, ...rnn, ...sizes(64, 64, 256, 256) },
  { name: 'W6', title: 'layer', ...layer, ...lstm(1), ...sizes(64, 32, 512, 512) },
  { name: 'W7r', title: 'a token at a time', ...step, ...rnn, ...sizes(1, 1, 512, 512, 10_000) },
  { name: 'W7l', title: 'a token at a time', ...step, ...lstm(2), ...sizes(1, 1, 650, 650, 10_000) },
  {
    name: 'W7r8',
    title: 'the same, our weights in int8',
    ...step,
    ...rnn,
    ...sizes(1, 1, 512, 512, 10_000),
    precision: 'int8',
  },
  {
    name: 'W7l8',
    title: 'the same, our weights in int8',
    ...step,
    ...lstm(2),
    ...sizes(1, 1, 650, 650, 10_000),
    precision: 'int8',
  },
  { name: 'W8', title: 'tiny', ...training, ...rnn, ...sizes(16, 32, 32, 128, 64) },
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
