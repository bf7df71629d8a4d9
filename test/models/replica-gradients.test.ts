/**
 * The whole native replica (embedding, L recurrent layers, affine, softmax cross-entropy) against the double reference:
 * loss, carried state, and the gradient of every tensor against central differences; and where truncation cuts.
 */
import test from 'ava';
import { native } from '#src/native.js';
import type { NativeReplica, NativeSpec } from '#src/native-types.js';
import { bits, dot, Errors, largestDifference, randomFloats, randomIntegers } from '../helpers/compare.js';
import { type Cell, centralDifference, type ModelSizes, modelForward } from '../helpers/reference.js';

/** Random models of a shape that test/native takes ten of, the plain stacks of one and two layers; new here is the binding. */
const SEEDS = 3;

/** Steps of the corpus; streams start anywhere in its first half. */
const LENGTH = 60;

class Model {
  readonly spec: NativeSpec;
  readonly names: string[];
  readonly offsets: number[] = [];
  readonly lengths: number[];
  readonly params: Float32Array;
  readonly tokens: Uint32Array;

  constructor(
    readonly sizes: ModelSizes,
    readonly rows: number,
    readonly seed: number,
  ) {
    this.spec = {
      input: { vocabulary: sizes.V, embedding: sizes.D },
      layers: sizes.hidden.map((size, l) => ({ cell: sizes.cells?.[l] ?? 'rnn', size })),
    };
    const table = native.tensorTable(this.spec);
    this.names = table.map(({ name }) => name);
    this.lengths = table.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
    let end = 0;
    for (const length of this.lengths) {
      this.offsets.push(end);
      end += Math.ceil(length / 16) * 16 + 16; // gaps: nothing may count on tensors that touch
    }
    this.params = shared(end);
    for (const [i, { shape }] of table.entries()) {
      const range = 1.2 / Math.sqrt(shape.length === 2 && i > 0 ? (shape[0] as number) : 2);
      this.params.set(randomFloats(this.lengths[i]!, range, seed * 100 + i), this.offsets[i]!);
    }
    this.tokens = new Uint32Array(new SharedArrayBuffer(LENGTH * 4));
    this.tokens.set(randomIntegers(LENGTH, sizes.V, seed + 7));
  }

  get starts(): Uint32Array {
    return Uint32Array.of(23, 0, 11).subarray(0, this.rows);
  }

  get window() {
    return { tokens: this.tokens, starts: this.starts };
  }

  replica(window: number): NativeReplica {
    return new native.Replica(this.spec, this.offsets, this.rows, window, true);
  }

  state(range = 0.8): Float32Array {
    const state = shared(native.stateSize(this.spec, this.rows));
    state.set(randomFloats(state.length, range, this.seed + 900));
    return state;
  }

  /** A gradient arena full of NaN: what is not overwritten shows. */
  grads(): Float32Array {
    return shared(this.params.length).fill(Number.NaN);
  }

  tensor(arena: Float32Array, i: number): Float32Array {
    return arena.subarray(this.offsets[i]!, this.offsets[i]! + this.lengths[i]!);
  }

  /** The parameters in double precision, by name. */
  doubles(): Map<string, Float64Array> {
    return new Map(this.names.map((name, i) => [name, Float64Array.from(this.tensor(this.params, i))]));
  }

  /** All gradients as bits, without the gaps. */
  gradientBits(grads: Float32Array): string[] {
    return this.names.map((_, i) => bits(this.tensor(grads, i)));
  }
}

function shared(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * 4));
}

/** Trains one window on the replica and compares everything with the reference. */
function compare(model: Model, replica: NativeReplica, steps: number, label: string, errors: Errors): void {
  const scale = 1 / (model.rows * steps);
  const [grads, state] = [model.grads(), model.state()];
  const state0 = Float64Array.from(state);
  const lossSum = replica.trainWindow(grads, state, model.params, model.tokens, model.starts, steps, scale);

  const tensors = model.doubles();
  const forward = () => modelForward(model.sizes, tensors, state0, { ...model.window, steps });
  errors.record('loss', label, Float32Array.of(lossSum), Float64Array.of(forward().lossSum));
  errors.record('state', label, state, forward().state);
  for (const [i, name] of model.names.entries()) {
    const want = centralDifference(() => forward().lossSum * scale, tensors.get(name)!);
    errors.record(name, label, model.tensor(grads, i), want);
  }
}

const NAMES = ['loss', 'state', 'embedding.W', 'output.W', 'output.b'];
const layerNames = (L: number, cells: readonly Cell[] = []) =>
  Array.from({ length: L }, (_, l) =>
    ['Wx', 'Wh', 'b', ...(cells[l] === 'gru' ? ['bn'] : [])].map((tensor) => `layers.${l}.${tensor}`),
  ).flat();

for (const hidden of [[5], [5, 4]]) {
  const L = hidden.length;
  test(`gradients, L = ${L}`, (t) => {
    const errors = new Errors();
    for (const T of [1, 2, 5]) {
      for (const rows of [1, 3]) {
        for (let seed = 0; seed < SEEDS; seed++) {
          const model = new Model({ V: 7, D: 3, hidden }, rows, seed);
          compare(model, model.replica(T), T, `N=${rows} T=${T} seed=${seed}`, errors);
        }
      }
    }
    errors.check(t, [...NAMES, ...layerNames(L)]);
  });
}

const OTHERS: Cell[][] = [
  ['rnn-relu'],
  ['lstm'],
  ['gru'],
  ['gru-reset-before'],
  ['lstm', 'lstm'],
  ['gru', 'gru'],
  ['lstm', 'gru', 'rnn', 'gru-reset-before'],
];

for (const cells of OTHERS) {
  test(`gradients, ${cells.join(' → ')}`, (t) => {
    const errors = new Errors();
    const sizes = { V: 7, D: 3, hidden: [5, 4, 6, 3].slice(0, cells.length), cells };
    for (const T of [1, 2, 5]) {
      for (const rows of [1, 3]) {
        for (let seed = 0; seed < 4; seed++) {
          const model = new Model(sizes, rows, seed);
          compare(model, model.replica(T), T, `N=${rows} T=${T} seed=${seed}`, errors);
        }
      }
    }
    errors.check(t, [...NAMES, ...layerNames(cells.length, cells)]);
  });
}

for (const cells of [undefined, ['lstm', 'gru'], ['gru-reset-before', 'lstm']] as const) {
  test(`gradients beyond the width of every vector kernel, ${cells?.join(' → ') ?? 'rnn'}`, (t) => {
    const errors = new Errors();
    const model = new Model({ V: 37, D: 17, hidden: [35, 19], ...(cells === undefined ? {} : { cells }) }, 3, 1);
    compare(model, model.replica(4), 4, 'V=37 D=17 H=35,19', errors);
    errors.check(t, [...NAMES, ...layerNames(2, cells)]);
  });
}

test('a vocabulary so large that the head goes through its rows in blocks', (t) => {
  // Blocks hold at least 64 rows; 3·22 = 66 rows make a second one. One central difference along a random direction a
  // tensor stands for all of its elements: |⟨g, u⟩ − df/du| against ‖g‖, as ⟨g, u⟩ for random signs u is about that.
  const model = new Model({ V: 40_000, D: 3, hidden: [2] }, 3, 1);
  const [steps, scale, grads, state] = [22, 1 / 66, model.grads(), model.state()];
  const state0 = Float64Array.from(state);
  const lossSum = model
    .replica(steps)
    .trainWindow(grads, state, model.params, model.tokens, model.starts, steps, scale);
  const tensors = model.doubles();
  const loss = () => modelForward(model.sizes, tensors, state0, { ...model.window, steps }).lossSum;
  t.true(Math.abs(loss() - lossSum) < 1e-6 * lossSum);
  for (const [i, name] of model.names.entries()) {
    const [values, gradient] = [tensors.get(name)!, model.tensor(grads, i)];
    const start = values.slice();
    const signs = randomIntegers(values.length, 2, i).map((bit) => 2 * bit - 1);
    const along = (epsilon: number) => {
      values.set(start.map((value, k) => value + epsilon * signs[k]!));
      return loss() * scale;
    };
    const difference = (along(1e-5) - along(-1e-5)) / 2e-5;
    values.set(start);
    const error = Math.abs(dot(gradient, signs) - difference) / Math.sqrt(dot(gradient, gradient));
    t.log(`${name}: ${error.toExponential(1)}`);
    t.true(error < 1e-4, `${name}: ${error}`);
  }
});

test('a window shorter than the replica was built for, after a full one', (t) => {
  const errors = new Errors();
  const model = new Model({ V: 7, D: 3, hidden: [5, 4] }, 3, 2);
  const replica = model.replica(6);
  compare(model, replica, 6, 'T=6', errors);
  compare(model, replica, 2, 'T=2', errors);
  compare(model, replica, 1, 'T=1', errors);
  errors.check(t, [...NAMES, ...layerNames(2)]);
});

test('forwardWindow has the loss and the state of trainWindow', (t) => {
  const model = new Model({ V: 7, D: 3, hidden: [5, 4] }, 3, 3);
  const replica = model.replica(5);
  const [a, b] = [model.state(), model.state()];
  const trained = replica.trainWindow(model.grads(), a, model.params, model.tokens, model.starts, 5, 1);
  const read = replica.forwardWindow(b, model.params, model.tokens, model.starts, 5);
  t.is(read, trained);
  t.is(bits(b), bits(a));
});

test('two windows of T with carried state have the loss and the state of one window of 2T', (t) => {
  const model = new Model({ V: 7, D: 3, hidden: [5, 4] }, 3, 4);
  const [carried, long] = [model.state(), model.state()];
  const half = model.replica(5);
  let sum = half.forwardWindow(carried, model.params, model.tokens, model.starts, 5);
  const later = model.starts.map((start) => start + 5);
  sum += half.forwardWindow(carried, model.params, model.tokens, later, 5);
  const whole = model.replica(10).forwardWindow(long, model.params, model.tokens, model.starts, 10);
  // Matrix products of a longer window have more rows, which a GEMM kernel may group, and so round, differently.
  t.true(largestDifference(carried, long) < 1e-6);
  t.true(Math.abs(sum - whole) < 1e-5 * whole, `${sum} against ${whole}`);
});

test('truncation: with the carried state held fixed, an earlier window does not touch the gradient', (t) => {
  const model = new Model({ V: 7, D: 3, hidden: [5, 4] }, 3, 5);
  const earlier = [1, 2].map((seed) => Uint32Array.from(randomIntegers(LENGTH, 7, 50 + seed)));
  const run = (past: Uint32Array, hold: boolean) => {
    const replica = model.replica(5);
    const [grads, state] = [model.grads(), model.state()];
    replica.trainWindow(grads, state, model.params, past, model.starts, 5, 1);
    if (hold) state.set(model.state());
    const loss = replica.trainWindow(grads, state, model.params, model.tokens, model.starts, 5, 1);
    return { loss, gradient: model.gradientBits(grads) };
  };
  t.deepEqual(run(earlier[0]!, true), run(earlier[1]!, true));
  // Not held, the state that is carried changes the forward pass, and with it everything else.
  t.not(run(earlier[0]!, false).loss, run(earlier[1]!, false).loss);
  t.notDeepEqual(run(earlier[0]!, false).gradient, run(earlier[1]!, false).gradient);
});

test('the scale multiplies every gradient and leaves the loss alone', (t) => {
  const model = new Model({ V: 7, D: 3, hidden: [5, 4] }, 3, 6);
  const replica = model.replica(5);
  const run = (scale: number) => {
    const grads = model.grads();
    const loss = replica.trainWindow(grads, model.state(), model.params, model.tokens, model.starts, 5, scale);
    return { loss, grads };
  };
  const [one, quarter] = [run(1), run(0.25)];
  t.is(quarter.loss, one.loss);
  // A power of two changes exponents only, so it is exact.
  t.deepEqual(model.gradientBits(quarter.grads), model.gradientBits(one.grads.map((value) => value / 4)));
});

const refused: [what: string, code: string, call: (model: Model, replica: NativeReplica) => unknown][] = [
  [
    'a token outside the vocabulary',
    'ERR_TIMERNN_TOKEN',
    (m, r) =>
      r.forwardWindow(m.state(), m.params, Uint32Array.from(m.tokens).fill(7, 3, 4), Uint32Array.of(0, 1, 2), 5),
  ],
  [
    'a target outside the vocabulary',
    'ERR_TIMERNN_TOKEN',
    (m, r) =>
      r.trainWindow(
        m.grads(),
        m.state(),
        m.params,
        Uint32Array.from(m.tokens).fill(2 ** 32 - 1, 7, 8),
        Uint32Array.of(0, 1, 2),
        5,
        1,
      ),
  ],
  [
    'a window past the end of the corpus',
    'ERR_TIMERNN_CORPUS',
    (m, r) => r.forwardWindow(m.state(), m.params, m.tokens, Uint32Array.of(0, 1, LENGTH - 5), 5),
  ],
  [
    'another number of rows',
    'ERR_TIMERNN_SHAPE',
    (m, r) => r.forwardWindow(m.state(), m.params, m.tokens, Uint32Array.of(0, 1), 5),
  ],
  [
    'more steps than its window',
    'ERR_TIMERNN_SHAPE',
    (m, r) => r.forwardWindow(m.state(), m.params, m.tokens, m.starts, 6),
  ],
  [
    'a short state',
    'ERR_TIMERNN_SHAPE',
    (m, r) => r.forwardWindow(m.state().subarray(1), m.params, m.tokens, m.starts, 5),
  ],
  [
    'short parameters',
    'ERR_TIMERNN_SHAPE',
    (m, r) => r.forwardWindow(m.state(), m.params.subarray(0, m.offsets.at(-1)), m.tokens, m.starts, 5),
  ],
  [
    'a short gradient arena',
    'ERR_TIMERNN_SHAPE',
    (m, r) => r.trainWindow(m.grads().subarray(0, m.offsets.at(-1)), m.state(), m.params, m.tokens, m.starts, 5, 1),
  ],
];

for (const [what, code, call] of refused) {
  test(`refuses ${what}`, (t) => {
    const model = new Model({ V: 7, D: 3, hidden: [5] }, 3, 0);
    const replica = model.replica(5);
    const error = t.throws(() => call(model, replica)) as Error & { code?: string };
    t.is(error.code, code, error.message);
  });
}
