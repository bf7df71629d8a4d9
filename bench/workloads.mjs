/**
 * The workloads of the project (design, section 8). One line each: `kind` says which step is measured, the rest are dims.
 * A new workload of a known kind is one more line; a new kind also needs its step in `ours.mjs` and in the peers.
 */
const training = { kind: 'lm', layers: 1, lr: 0.5, clip: 5 };

export const workloads = [
  { name: 'W1', title: 'book: tanh RNN language model', ...training, N: 20, T: 35, D: 100, H: 100, V: 10_000 },
  { name: 'W3', title: 'char: tanh RNN language model', ...training, N: 32, T: 64, D: 64, H: 512, V: 96 },
  { name: 'W5', title: 'layer: tanh RNN, forward + backward', kind: 'layer', N: 64, T: 64, D: 256, H: 256 },
  { name: 'W8', title: 'tiny: tanh RNN language model', ...training, N: 16, T: 32, D: 32, H: 128, V: 64 },
];

/** Workers (our side) and threads (the peers) that a workload is measured on. */
export const threadCounts = [1, 2];

/**
 * Floating-point operations of one training step for one token: 6 a weight that multiplies (2 forward, 4 backward). The
 * embedding is a gather and does not count; neither do element-wise functions.
 */
export function flopsPerToken({ kind, layers = 1, D, H, V }) {
  let weights = 0;
  for (let layer = 0; layer < layers; layer++) weights += (layer === 0 ? D : H) * H + H * H;
  if (kind === 'lm') weights += H * V;
  return 6 * weights;
}
