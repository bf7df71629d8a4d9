/**
 * The native replica, the SGD round and the book's layers against PyTorch in float64 (test/fixtures/make-goldens.py).
 * Every tensor is compared by name, and its largest error is printed.
 */
import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { native } from '#src/native.js';
import type { NativeSpec, WindowDims } from '#src/native-types.js';
import { bytes, floats, ints, largest, type Packed, shared } from './helpers/goldens.js';
import { oneWindow } from './helpers/rounds.js';

interface LanguageModelGolden {
  cell: string;
  dims: { V: number; D: number; H: number; N: number; T: number; layers: number };
  tokens: Packed;
  starts: Packed;
  state: Packed;
  weights: Record<string, Packed>;
  window: { lossSum: number; state: Packed; gradients: Record<string, Packed> };
  sgd: {
    windows: number;
    learningRate: number;
    clip: number;
    lossSums: number[];
    norms: number[];
    state: Packed;
    weights: Record<string, Packed>;
  };
}
type LayerGolden = { dims: Record<string, number>; expected: Record<string, Packed> } & Record<string, Packed>;
interface CellGolden {
  cell: string;
  dims: WindowDims;
  tensors: Record<string, Packed>;
  xs: Packed;
  state: Packed;
  dhs: Packed;
  dnext: Packed;
  expected: Record<string, Packed>;
}

/**
 * Largest error allowed, as a part of the tensor's largest magnitude. float32 rounds to 2⁻²⁴ = 6e-8; a gradient here is
 * a chain of about a hundred additions (35 hidden units, 35 tokens, 67 words) through up to 14 cells whose tanh has an
 * error of a few units in the last place: √100 × 6e-8 × a few ≈ 2e-6 is expected. A wrong term, a missed tail or a
 * swapped dimension is orders of magnitude above 1e-5.
 */
const TOLERANCE = 1e-5;

function load<G>(name: string): G {
  return JSON.parse(readFileSync(new URL(`../../../test/fixtures/goldens/${name}.json`, import.meta.url), 'utf8')) as G;
}

/** Prints the largest error of a tensor and fails where it is above the tolerance times `scale`. */
function compare(
  t: ExecutionContext,
  name: string,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  scale = largest(expected),
): void {
  t.is(got.length, expected.length, `${name}: length`);
  let error = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(got[i]! - expected[i]!);
    // NaN would lose every comparison, so it is turned into the worst error instead.
    error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(error, difference);
  }
  t.log(`${name.padEnd(24)} largest error ${error.toExponential(2)}, relative ${(error / scale).toExponential(2)}`);
  t.true(error <= TOLERANCE * scale, `${name}: error ${error} is above ${TOLERANCE} × ${scale}`);
}

/** A model of the golden's dims with its parameters packed at 16-float boundaries. */
function arrange(golden: LanguageModelGolden) {
  const { V, D, H, layers } = golden.dims;
  const spec: NativeSpec = {
    input: { vocabulary: V, embedding: D },
    layers: Array.from({ length: layers }, () => ({ cell: golden.cell, size: H })),
  };
  const table = native.tensorTable(spec);
  const offsets: number[] = [];
  let length = 0;
  for (const tensor of table) {
    offsets.push(length);
    length += Math.ceil(tensor.shape.reduce((a, b) => a * b, 1) / 16) * 16;
  }
  const place = (tensors: Record<string, Packed>) => {
    const arena = shared(new Float32Array(length));
    table.forEach(({ name }, i) => {
      arena.set(floats(tensors[name]!), offsets[i]!);
    });
    return arena;
  };
  const view = (arena: Float32Array, i: number) =>
    arena.subarray(offsets[i]!, offsets[i]! + table[i]!.shape.reduce((a, b) => a * b, 1));
  const tokens = new Uint32Array(new SharedArrayBuffer(floats(golden.tokens).byteLength));
  tokens.set(new Uint32Array(bytes(golden.tokens)));
  const starts = new Uint32Array(new SharedArrayBuffer(golden.dims.N * 4));
  starts.set(new Uint32Array(bytes(golden.starts)));
  return { spec, table, offsets, length, place, view, tokens, starts, params: place(golden.weights) };
}

const MODELS = ['', 'rnn-relu-', 'lstm-', 'gru-'].flatMap((cell) => [1, 2].map((layers) => ({ cell, layers })));

for (const { cell, layers } of MODELS) {
  const golden = load<LanguageModelGolden>(`language-model-${cell}${layers}`);
  const { N, T } = golden.dims;
  const what = `${golden.cell}, ${layers} layer(s)`;

  test(`${what}: tensor names and shapes`, (t) => {
    const { table } = arrange(golden);
    t.deepEqual(
      Object.fromEntries(table.map(({ name, shape }) => [name, [...shape]])),
      Object.fromEntries(Object.entries(golden.weights).map(([name, { shape }]) => [name, shape])),
    );
  });

  test(`${what}: loss, final state and every gradient of one window`, (t) => {
    const { spec, table, offsets, length, view, tokens, starts, params } = arrange(golden);
    const replica = new native.Replica(spec, offsets, N, T, true);
    const state = shared(floats(golden.state));
    t.is(state.length, native.stateSize(spec, N));
    // Rubbish in the gradients: trainWindow overwrites them.
    const grads = shared(new Float32Array(length).fill(123));
    const loss = replica.trainWindow(grads, state, params, tokens, starts, T, 1 / (N * T));
    compare(t, 'loss', [loss], [golden.window.lossSum]);
    compare(t, 'state', state, floats(golden.window.state));
    table.forEach(({ name }, i) => {
      compare(t, `d ${name}`, view(grads, i), floats(golden.window.gradients[name]!));
    });
    const again = shared(floats(golden.state));
    const forward = replica.forwardWindow(again, params, tokens, starts, T);
    compare(t, 'loss, forward only', [forward], [golden.window.lossSum]);
    compare(t, 'state, forward only', again, floats(golden.window.state));
  });

  test(`${what}: two shards add up to the same gradient`, (t) => {
    const { spec, table, offsets, length, view, tokens, starts, params } = arrange(golden);
    const sum = new Float32Array(length);
    const initial = floats(golden.state);
    const H = golden.dims.H;
    let loss = 0;
    for (const [from, to] of [
      [0, 2],
      [2, N],
    ] as const) {
      const rows = to - from;
      const replica = new native.Replica(spec, offsets, rows, T, true);
      const vectors = initial.length / (N * H); // of all layers
      const state = shared(new Float32Array(vectors * rows * H));
      for (let v = 0; v < vectors; v++) {
        state.set(initial.subarray((v * N + from) * H, (v * N + to) * H), v * rows * H);
      }
      const grads = shared(new Float32Array(length));
      loss += replica.trainWindow(grads, state, params, tokens, starts.slice(from, to), T, 1 / (N * T));
      for (let i = 0; i < length; i++) sum[i]! += grads[i]!;
    }
    compare(t, 'loss', [loss], [golden.window.lossSum]);
    table.forEach(({ name }, i) => {
      compare(t, `d ${name}`, view(sum, i), floats(golden.window.gradients[name]!));
    });
  });

  test(`${what}: five SGD steps, clipped, with the state carried`, (t) => {
    const { sgd } = golden;
    const { spec, table, offsets, length, view, tokens, starts, params } = arrange(golden);
    const state = shared(floats(golden.state));
    const runner = new native.Runner({
      spec,
      params,
      offsets,
      grads: [shared(new Float32Array(length))],
      states: [state],
      touched: [new Uint32Array(new SharedArrayBuffer(native.touchedWords(spec, N, T) * 4))],
      shardRows: [N],
      tokens,
      streamStarts: starts,
      streamSteps: sgd.windows * T,
      window: T,
      edges: Uint32Array.from({ length: sgd.windows + 1 }, (_, w) => w * T),
      rates: new Float64Array(sgd.windows).fill(sgd.learningRate),
      slots: [],
      control: new Int32Array(new SharedArrayBuffer(native.controlInts() * 4)),
      scratch: new Float64Array(new SharedArrayBuffer(native.scratchDoubles(length, 1) * 8)),
    });
    // One window a round, so that each loss and norm is seen; clipping bites in some of the windows only.
    for (let k = 0; k < sgd.windows; k++) {
      const result = runner.run(oneWindow(k, { clip: sgd.clip }));
      t.is(result.windows, 1);
      t.is(result.tokens, N * T);
      compare(t, `loss, window ${k}`, [result.lossSum], [sgd.lossSums[k]!]);
      compare(t, `gradient norm, window ${k}`, [result.gradientNorm], [sgd.norms[k]!]);
    }
    compare(t, 'state', state, floats(sgd.state));
    table.forEach(({ name }, i) => {
      // Measured against how far the parameter moved, not against its size: a wrong step cannot hide behind a weight.
      // Each step rounds the weight itself, by at most half a unit in the last place, which is not the step's fault.
      const [before, after] = [floats(golden.weights[name]!), floats(sgd.weights[name]!)];
      const moved = largest(after.map((value, j) => value - before[j]!));
      const rounding = sgd.windows * 2 ** -24 * largest(after);
      compare(t, name, view(params, i), after, moved + rounding / TOLERANCE);
    });
  });
}

const layers = load<Record<string, LayerGolden>>('layers');

/** An output array full of rubbish, to be overwritten. */
const blank = (packed: Packed) => floats(packed).fill(123);

function compareAll(t: ExecutionContext, got: Record<string, Float32Array>, expected: Record<string, Packed>): void {
  for (const [name, array] of Object.entries(got)) compare(t, name, array, floats(expected[name]!));
}

for (const name of ['TimeRNN', 'rnn-relu', 'lstm', 'gru', 'gru-reset-before']) {
  test(`${name} layer: forward, and backward with a gradient arriving at the last state`, (t) => {
    const { cell, dims, tensors, expected: e, ...given } = layers[name] as unknown as CellGolden;
    const names = native.cellInfo(cell, dims.D, dims.H).tensors.map((tensor) => tensor.name);
    t.deepEqual(names, Object.keys(tensors));
    const got = Object.fromEntries(Object.entries(e).map(([key, packed]) => [key, blank(packed)]));
    const [xs, state, params] = [floats(given.xs), floats(given.state), names.map((key) => floats(tensors[key]!))];
    const grads = names.map((key) => got[`d${key}`]!);
    const ws = new Float32Array(native.cellWorkspace(cell, dims)).fill(Number.NaN);
    const [dhs, dnext] = [floats(given.dhs), floats(given.dnext)];
    native.cellForward(cell, got.hs!, got.end!, ws, xs, state, params, dims);
    native.cellBackward(cell, got.dxs!, got.dstate!, grads, dhs, dnext, ws, xs, got.hs!, state, params, dims);
    compareAll(t, got, e);
  });
}

test('TimeAffine: forward and backward', (t) => {
  const { dims, expected: e, x, W, b, dy } = layers.TimeAffine!;
  const got = { y: blank(e.y!), dx: blank(e.dx!), dW: blank(e.dW!), db: blank(e.db!) };
  const rows = dims.N! * dims.T!;
  native.affineForward(got.y, floats(x!), floats(W!), floats(b!), rows, dims.I!, dims.O!);
  native.affineBackward(got.dx, got.dW, got.db, floats(dy!), floats(x!), floats(W!), rows, dims.I!, dims.O!);
  compareAll(t, got, e);
});

test('TimeEmbedding: forward, and backward with repeated ids', (t) => {
  const { dims, expected: e, W, ids, dout } = layers.TimeEmbedding!;
  const got = { out: blank(e.out!), dW: blank(e.dW!) };
  native.embeddingForward(got.out, ints(ids!), floats(W!), dims.V!, dims.D!);
  native.embeddingBackward(got.dW, floats(dout!), ints(ids!), dims.V!, dims.D!);
  compareAll(t, got, e);
});

test('TimeSoftmaxWithLoss: loss, probabilities and gradient, with ignored labels and a row of large logits', (t) => {
  const { dims, expected: e, logits, labels } = layers.TimeSoftmaxWithLoss!;
  const dout = (layers.TimeSoftmaxWithLoss as unknown as { dout: number }).dout;
  const got = { probs: blank(e.probs!), dlogits: blank(e.dlogits!) };
  const rows = dims.N! * dims.T!;
  const loss = native.softmaxLossForward(got.probs, floats(logits!), ints(labels!), -1, rows, dims.V!);
  native.softmaxLossBackward(got.dlogits, got.probs, ints(labels!), -1, dout, rows, dims.V!);
  compare(t, 'loss', [loss], [e.loss as unknown as number]);
  compareAll(t, got, e);
});
