/** How the addon is called for a layer of any cell: forward + backward on preallocated buffers, nothing else. */
import { planLayout } from '#src/memory/layout.js';
import { native } from '#src/native.js';

/** Where the tensors of a layer lie in an arena. */
export function layoutOf(cell, { D, H }) {
  return planLayout(native.cellInfo(cell, D, H).tensors);
}

/** @returns a function that runs one forward and backward; `grads` (an arena like `params`) is overwritten */
export function cellCalls(cell, dims, params, grads, { xs, dhs }) {
  const { N, T, H } = dims;
  const { placements } = layoutOf(cell, dims);
  const views = (arena) => placements.map(({ offset, length }) => arena.subarray(offset, offset + length));
  const [p, d] = [views(params), views(grads)];
  const hs = new Float32Array(N * T * H);
  const dxs = new Float32Array(xs.length);
  const ws = new Float32Array(native.cellWorkspace(cell, dims));
  const length = native.cellInfo(cell, dims.D, H).states * N * H;
  const [state, end, dstate, dnext] = Array.from({ length: 4 }, () => new Float32Array(length));
  return () => {
    native.cellForward(cell, hs, end, ws, xs, state, p, dims);
    native.cellBackward(cell, dxs, dstate, d, dhs, dnext, ws, xs, hs, state, p, dims);
  };
}
