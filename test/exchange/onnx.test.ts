/** ONNX files, run by onnxruntime: the logits of the double reference and the perplexity of the model itself. */
import { execFile } from 'node:child_process';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { exportOnnx, type LanguageModel, type LayerOptions } from 'timernn';
import { nativeCell } from '#src/models/spec.js';
import { largestDifference } from '../helpers/compare.js';
import { charCorpus, folderOf, isCode, newModel, train } from '../models/helpers/models.js';
import { documented, root } from './helpers/docs.js';
import { ownPerplexity, perplexityOf, referenceLogits, steps, type Window } from './helpers/logits.js';
import { CELL_VARIANTS, MIXED, nameOf, randomModel, randomWindow } from './helpers/models.js';
import { type OnnxModel, openOnnx } from './helpers/onnx.js';

/**
 * The reference is in double, the runtime in single precision: a step adds errors of a few 1e-7, which contract as the states
 * do. Measured are at most 6e-7 here; docs/exchange.md has the table.
 */
const TOLERANCE = 1e-5;

/** Both against the reference, and the perplexity of each text against the model's own. */
async function sameAsModel(t: import('ava').ExecutionContext, model: LanguageModel, onnx: OnnxModel, window: Window) {
  const { logits } = await onnx.run(window);
  const reference = await referenceLogits(model, window);
  const scale = Math.max(1, ...reference.map(Math.abs));
  const difference = largestDifference(logits, reference) / scale;
  t.true(difference < TOLERANCE, `T ${window.T}, N ${window.N}: ${difference}`);
  if (window.T > 1) {
    const [got, want] = [perplexityOf(logits, window, 0), await ownPerplexity(model, window, 0)];
    t.true(Math.abs(got - want) < TOLERANCE * want, `perplexity ${got} against ${want}`);
  }
  return difference;
}

const stacks: LayerOptions[][] = [
  ...CELL_VARIANTS.flatMap((layer) => [[layer], [layer, { ...layer, size: 13 }]]),
  MIXED,
  [MIXED[1]!, MIXED[0]!],
];

for (const layers of stacks) {
  for (const tied of [false, true]) {
    test(`${nameOf(layers)}${tied ? ', tied' : ''}: logits for several batch sizes and lengths`, async (t) => {
      const model = randomModel(layers, { tied });
      const path = join(await folderOf(t), 'm.onnx');
      await exportOnnx(model, path);
      const onnx = await openOnnx(path);
      let worst = 0;
      for (const [T, N] of [
        [1, 1],
        [1, 5],
        [9, 1],
        [20, 3],
        [70, 2],
      ] as const) {
        worst = Math.max(worst, await sameAsModel(t, model, onnx, randomWindow(model, T, N)));
      }
      t.log(`largest difference of a logit: ${worst.toExponential(1)}`);
    });
  }

  test(`${nameOf(layers)}: two calls that carry the states are one long call`, async (t) => {
    const model = randomModel(layers, { seed: 3 });
    const path = join(await folderOf(t), 'm.onnx');
    await exportOnnx(model, path);
    const onnx = await openOnnx(path);
    const window = randomWindow(model, 24, 3, 5);
    const whole = await onnx.run(window);
    const first = await onnx.run(steps(window, 0, 10));
    const second = await onnx.run(steps(window, 10, 24), first.states);
    const joined = Float32Array.from([...first.logits, ...second.logits]);
    // Products of other heights may be summed in another order: a few roundings of numbers near 1.
    t.true(largestDifference(joined, whole.logits) < 2e-6);
    for (const [name, state] of whole.states) t.true(largestDifference(second.states.get(name)!, state) < 2e-6, name);
    const forgot = await onnx.run(steps(window, 10, 24));
    t.true(largestDifference(forgot.logits, second.logits) > 1e-3, 'the states matter');
  });
}

test('a projection is exported where sizes differ, none where they do not', async (t) => {
  const folder = await folderOf(t);
  for (const size of [10, 14]) {
    const model = randomModel([{ cell: 'lstm', size }], { tied: true });
    const path = join(folder, `${size}.onnx`);
    await exportOnnx(model, path);
    await sameAsModel(t, model, await openOnnx(path), randomWindow(model, 15, 2));
  }
});

for (const layer of CELL_VARIANTS) {
  test(`${nativeCell(layer)}: trained weights`, async (t) => {
    const corpus = charCorpus(6_001);
    const model = newModel(corpus, { layers: [layer, layer] });
    await train(model, corpus, { streams: 8, window: 16, epochs: 2 });
    const path = join(await folderOf(t), 'm.onnx');
    await exportOnnx(model, path);
    const onnx = await openOnnx(path);
    const [T, N] = [60, 2];
    const tokens = Array.from({ length: T * N }, (_, i) => corpus.tokens[(i % N) * 3_000 + Math.floor(i / N)]!);
    await sameAsModel(t, model, onnx, { tokens, T, N });
  });
}

test('names of inputs and outputs', async (t) => {
  const path = join(await folderOf(t), 'm.onnx');
  await exportOnnx(
    randomModel([
      { cell: 'lstm', size: 4 },
      { cell: 'gru', size: 3 },
    ]),
    path,
  );
  const { inputs, outputs } = await openOnnx(path);
  t.deepEqual(inputs, ['tokens', 'h0_in', 'c0_in', 'h1_in']);
  t.deepEqual(outputs, ['logits', 'h0_out', 'c0_out', 'h1_out']);
});

test('the JavaScript of docs/exchange.md goes on where its first call stopped', async (t) => {
  const folder = await folderOf(t);
  await exportOnnx(randomModel([{ cell: 'lstm', size: 4 }]), join(folder, 'model.onnx'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  await writeFile(join(folder, 'page.mjs'), documented('js onnx'));
  const { stdout } = await promisify(execFile)(process.execPath, ['page.mjs'], { cwd: folder });
  t.is(stdout, '[ 3, 1, 31 ] [ 3, 1, 31 ]\n');
});

test('a file that cannot be written leaves the old one; what is no model is refused', async (t) => {
  const folder = await folderOf(t);
  await writeFile(join(folder, 'x'), 'old');
  await t.throwsAsync(
    exportOnnx(randomModel([{ cell: 'rnn', size: 4 }]), join(folder, 'x', 'm.onnx')),
    isCode('ERR_TIMERNN_FILE'),
  );
  const missing = Promise.resolve(randomModel([{ cell: 'rnn', size: 4 }])) as unknown as LanguageModel;
  const message = /Expected model to be a LanguageModel, got Promise; did you forget await\?/;
  await t.throwsAsync(exportOnnx(missing, join(folder, 'm.onnx')), isCode('ERR_TIMERNN_OPTION', message));
  await t.throwsAsync(exportOnnx(randomModel([{ cell: 'rnn', size: 4 }]), ''), isCode('ERR_TIMERNN_OPTION'));
});
