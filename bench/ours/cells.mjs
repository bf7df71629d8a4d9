/** How the addon is called for a layer of each cell: forward + backward on preallocated buffers, nothing else. */
import { native } from '#src/native.js';
import { gates } from '../workloads.mjs';

/** Splits an arena into Wx D×G·H, Wh H×G·H and b G·H. */
function split(arena, { D, H }, width) {
  const [a, b] = [D * width, D * width + H * width];
  return { Wx: arena.subarray(0, a), Wh: arena.subarray(a, b), b: arena.subarray(b) };
}

/** @returns a function that runs one forward and backward; `grads` is overwritten */
export function cellCalls(cell, dims, params, grads, { xs, dhs }) {
  const { N, T, H } = dims;
  const p = split(params, dims, gates[cell] * H);
  const d = split(grads, dims, gates[cell] * H);
  const hs = new Float32Array(N * T * H);
  const dxs = new Float32Array(xs.length);
  const [h0, dh0, dhNext] = Array.from({ length: 3 }, () => new Float32Array(N * H));
  return () => {
    native.rnnForward(hs, xs, h0, p.Wx, p.Wh, p.b, dims);
    native.rnnBackward(dxs, dh0, d.Wx, d.Wh, d.b, dhs, dhNext, xs, hs, h0, p.Wx, p.Wh, dims);
  };
}
