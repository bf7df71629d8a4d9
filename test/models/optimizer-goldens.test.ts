/**
 * Ten steps of every optimiser on a small LSTM language model against PyTorch in float64 (test/fixtures/make-goldens.py).
 * Every tensor is compared by name, and its largest error is printed.
 */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { viewsOf } from '#src/memory/arena.js';
import { planLayout } from '#src/memory/layout.js';
import { native } from '#src/native.js';
import type { NativeOptimizer } from '#src/native-training.js';
import type { NativeSpec } from '#src/native-types.js';
import { bytes, floats, largest, type Packed, shared } from './helpers/goldens.js';
import { oneWindow } from './helpers/rounds.js';

interface Steps {
  name: string;
  learningRate: number;
  numbers: Omit<NativeOptimizer, 'name'> & { averageFrom?: number };
  clipValue: number;
  lossSums: number[];
  weights: Record<string, Packed>;
  average?: Record<string, Packed>;
  tied?: boolean;
}
interface Golden {
  dims: { V: number; D: number; H: number; N: number; T: number };
  windows: number;
  tokens: Packed;
  starts: Packed;
  state: Packed;
  weights: Record<string, Packed>;
  tiedWeights: Record<string, Packed>;
  steps: Record<string, Steps>;
}

/**
 * Largest error allowed, as a part of how far a tensor's parameters moved. A gradient has a relative error of about 2e-6
 * (see goldens.test.ts), and ten steps add theirs up. AdaGrad, RMSprop and Adam divide by the root of the squares: where
 * a gradient is near zero, its rounding, which is absolute, becomes a part of a whole step; so they get ten times as much.
 */
const TOLERANCE = 2e-5;
const DIVIDES = new Set(['adagrad', 'rmsprop', 'adam', 'adamw']);

const golden = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/goldens/optimizers.json', import.meta.url), 'utf8'),
) as Golden;

function words(packed: Packed): Uint32Array {
  const array = new Uint32Array(new SharedArrayBuffer(bytes(packed).byteLength));
  array.set(new Uint32Array(bytes(packed)));
  return array;
}

function start({ name, learningRate, numbers, tied = false }: Steps) {
  const { V, D, H, N, T } = golden.dims;
  const spec: NativeSpec = { input: { vocabulary: V, embedding: D }, layers: [{ cell: 'lstm', size: H }], tied };
  const layout = planLayout(native.tensorTable(spec));
  const arena = () => shared(new Float32Array(layout.length));
  const params = arena();
  for (const [tensor, view] of viewsOf(params as Float32Array<SharedArrayBuffer>, layout)) {
    view.set(floats((tied ? golden.tiedWeights : golden.weights)[tensor]!));
  }
  const { averageFrom, ...rest } = numbers;
  const { slots: own } = native.optimizers().find((optimizer) => optimizer.name === name)!;
  const averages = averageFrom !== undefined;
  const slots = [...own, ...(averages ? ['average'] : [])].map(arena);
  const runner = new native.Runner({
    spec,
    params,
    offsets: layout.offsets,
    grads: [arena()],
    states: [shared(floats(golden.state))],
    touched: [new Uint32Array(new SharedArrayBuffer(native.touchedWords(spec, N, T) * 4))],
    shardRows: [N],
    tokens: words(golden.tokens),
    streamStarts: words(golden.starts),
    streamSteps: golden.windows * T,
    window: T,
    edges: Uint32Array.from({ length: golden.windows + 1 }, (_, w) => w * T),
    rates: new Float64Array(golden.windows).fill(learningRate),
    optimizer: { name, ...rest },
    averages,
    slots,
    control: new Int32Array(new SharedArrayBuffer(native.controlInts() * 4)),
    scratch: new Float64Array(new SharedArrayBuffer(native.scratchDoubles(layout.length, 1) * 8)),
  });
  return { runner, layout, params: params as Float32Array<SharedArrayBuffer>, slots };
}

test('no two sizes of the golden are the same, so that no matrix can stand in for another', (t) => {
  const { V, D, H } = golden.dims;
  t.is(new Set([V, D, H]).size, 3);
  t.deepEqual(golden.tiedWeights['output.projection']!.shape, [H, D]);
});

test('the golden has every optimiser of the registry', (t) => {
  const names = native.optimizers().map(({ name }) => name);
  t.deepEqual([...new Set(Object.values(golden.steps).map(({ name }) => name))].sort(), names.sort());
});

for (const [title, steps] of Object.entries(golden.steps)) {
  test(`ten steps: ${title}`, (t) => {
    const { runner, layout, params, slots } = start(steps);
    const averageFrom = steps.numbers.averageFrom ?? Number.POSITIVE_INFINITY;
    for (let k = 0; k < golden.windows; k++) {
      const { lossSum } = runner.run(oneWindow(k, { clipValue: steps.clipValue, averageFrom }));
      t.true(Math.abs(lossSum - steps.lossSums[k]!) <= 1e-5 * steps.lossSums[k]!, `loss of window ${k}: ${lossSum}`);
    }
    const before = steps.tied ? golden.tiedWeights : golden.weights;
    t.deepEqual([...viewsOf(params, layout).keys()].sort(), Object.keys(before).sort());
    const compare = (what: string, arena: Float32Array<ArrayBufferLike>, wanted: Record<string, Packed>) => {
      for (const [name, got] of viewsOf(arena, layout)) {
        const [from, to] = [floats(before[name]!), floats(wanted[name]!)];
        const moved = largest(to.map((value, i) => value - from[i]!));
        const error = largest(to.map((value, i) => value - got[i]!));
        t.log(`${what}${name.padEnd(16)} largest error ${error.toExponential(2)}, moved ${moved.toExponential(2)}`);
        // Each step also rounds the parameter itself, by half a unit in the last place at most.
        const rounding = golden.windows * 2 ** -24 * largest(to);
        const limit = TOLERANCE * (DIVIDES.has(steps.name) ? 10 : 1) * moved + rounding;
        t.true(moved > 0 && error <= limit, `${what}${name}: error ${error} is above ${limit}`);
      }
    };
    compare('', params, steps.weights);
    if (steps.average) compare('average ', slots.at(-1)!, steps.average);
  });
}
