/** How the addon is called for a layer of any cell: forward + backward on preallocated buffers, nothing else. */
import { planLayout } from '#src/memory/layout.js';
import { native } from '#src/native.js';

/** Where the tensors of a layer lie in an arena. */
export function layoutOf(cell, { D, H }) {
  return planLayout(native.cellInfo(cell, D, H).tensors);
}

/** Floats of a layer's packed weights, which do not depend on the rows. */
export const packedFloats = (cell, { D, H }) => new native.LayerReplica(cell, { N: 1, T: 1, D, H }).packedFloats;

/**
 * @returns `pack` brings this thread's share of the weights into the form that the kernels read, `step` runs one
 * forward and backward; `grads` (an arena like `params`) is overwritten
 */
export function cellCalls({ cell, dims, params, packed, grads, rank, workers }, { xs, dhs }) {
  const { N, H } = dims;
  const { placements } = layoutOf(cell, dims);
  const views = (arena) => placements.map(({ offset, length }) => arena.subarray(offset, offset + length));
  const [p, d] = [views(params), views(grads)];
  const replica = new native.LayerReplica(cell, dims);
  const dxs = new Float32Array(xs.length);
  const state = new Float32Array(native.cellInfo(cell, dims.D, H).states * N * H);
  return {
    pack: () => replica.pack(packed, p, rank, workers),
    step() {
      state.fill(0); // the peers start from a state of zeros, too
      replica.window(dxs, d, state, xs, dhs, p, packed);
    },
  };
}
