/** Out to PyTorch's layout and back: the same bits, the same spec, and what is in between. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Corpus, exportPyTorch, importPyTorch, LanguageModel, type LayerOptions, Vocabulary } from 'timernn';
import { readSafetensors } from '#src/checkpoint/safetensors.js';
import { digest, folderOf, isCode, weights } from '../models/helpers/models.js';
import { MIXED, nameOf, PYTORCH_VARIANTS, randomModel } from './helpers/models.js';

const STACKS: LayerOptions[][] = [
  ...PYTORCH_VARIANTS.flatMap((layer) => [[layer], [layer, layer], [layer, { ...layer, size: 7 }]]),
  MIXED,
];

for (const layers of STACKS) {
  for (const tied of [false, true]) {
    test(`${nameOf(layers)} (${layers.map(({ size }) => size)})${tied ? ', tied' : ''}: the same bits after a round trip`, async (t) => {
      const model = randomModel(layers, { tied });
      const path = join(await folderOf(t), 'p.safetensors');
      await exportPyTorch(model, path);
      const back = await importPyTorch(path);
      t.deepEqual(back.spec, model.spec);
      t.is(back.vocabulary.hash, model.vocabulary.hash);
      t.is(await digest(back), await digest(model));
    });
  }
}

test('names and shapes: one module where all layers are alike, one a layer where they differ', async (t) => {
  const folder = await folderOf(t);
  const shapes = async (layers: LayerOptions[], tied = false) => {
    const path = join(folder, 'p.safetensors');
    await exportPyTorch(randomModel(layers, { V: 31, D: 10, tied }), path);
    const { tensors } = await readSafetensors(path);
    return Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape.join('×')]));
  };
  t.deepEqual(
    await shapes([
      { cell: 'lstm', size: 6 },
      { cell: 'lstm', size: 6 },
    ]),
    {
      'encoder.weight': '31×10',
      'rnn.weight_ih_l0': '24×10',
      'rnn.weight_hh_l0': '24×6',
      'rnn.bias_ih_l0': '24',
      'rnn.bias_hh_l0': '24',
      'rnn.weight_ih_l1': '24×6',
      'rnn.weight_hh_l1': '24×6',
      'rnn.bias_ih_l1': '24',
      'rnn.bias_hh_l1': '24',
      'decoder.weight': '31×6',
      'decoder.bias': '31',
    },
  );
  t.deepEqual(
    await shapes(
      [
        { cell: 'gru', size: 6 },
        { cell: 'rnn', size: 7 },
      ],
      true,
    ),
    {
      'encoder.weight': '31×10',
      'rnns.0.weight_ih_l0': '18×10',
      'rnns.0.weight_hh_l0': '18×6',
      'rnns.0.bias_ih_l0': '18',
      'rnns.0.bias_hh_l0': '18',
      'rnns.1.weight_ih_l0': '7×6',
      'rnns.1.weight_hh_l0': '7×7',
      'rnns.1.bias_ih_l0': '7',
      'rnns.1.bias_hh_l0': '7',
      'projection.weight': '10×7',
      'decoder.weight': '31×10',
      'decoder.bias': '31',
    },
  );
});

test('a fresh model: an LSTM’s forget bias is in bias_ih; bias_hh is zero but for the n gate of a GRU', async (t) => {
  const folder = await folderOf(t);
  const vocabulary = Vocabulary.ofSize(5);
  const exported = async (layer: LayerOptions) => {
    const path = join(folder, 'p.safetensors');
    const model = new LanguageModel({
      vocabulary,
      embedding: 3,
      layers: [layer],
      ...(layer.cell === 'gru' && { initialRange: 1 }),
    });
    await exportPyTorch(model, path);
    const { tensors } = await readSafetensors(path);
    return { model, bias: (name: string) => [...(tensors.get(`rnn.bias_${name}_l0`)!.data as Float32Array)] };
  };
  const lstm = await exported({ cell: 'lstm', size: 2 });
  t.deepEqual(lstm.bias('ih'), [0, 0, 1, 1, 0, 0, 0, 0]);
  t.deepEqual(lstm.bias('hh'), [0, 0, 0, 0, 0, 0, 0, 0]);
  const gru = await exported({ cell: 'gru', size: 2 });
  const own = await weights(gru.model);
  t.deepEqual(gru.bias('ih'), [...own.get('layers.0.b')!]);
  t.deepEqual(gru.bias('hh'), [0, 0, 0, 0, ...own.get('layers.0.bn')!]);
});

test('a GRU that resets before the product is refused, and nothing is written', async (t) => {
  const path = join(await folderOf(t), 'p.safetensors');
  await writeFile(path, 'old');
  const model = randomModel([
    { cell: 'rnn', size: 3 },
    { cell: 'gru', size: 4, resetAfter: false },
  ]);
  const message = /Expected a model of cells that PyTorch has, got a gru with resetAfter false as layers\[1\]/;
  await t.throwsAsync(exportPyTorch(model, path), isCode('ERR_TIMERNN_SPEC', message));
  t.is(await readFile(path, 'utf8'), 'old');
});

test('an imported model is one like any other: it trains, saves and scores', async (t) => {
  const folder = await folderOf(t);
  const corpus = Corpus.fromText('the white whale and the sea\n'.repeat(100), { unit: 'char' });
  const model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 8, layers: [{ cell: 'gru', size: 16 }] });
  await exportPyTorch(model, join(folder, 'p.safetensors'));
  const imported = await importPyTorch(join(folder, 'p.safetensors'));
  t.is(await imported.perplexity(corpus), await model.perplexity(corpus));
  const options = { streams: 4, window: 16, epochs: 2 };
  for await (const _ of model.train(corpus, options));
  for await (const _ of imported.train(corpus, options));
  t.is(await digest(imported), await digest(model), 'the same run, to the bit');
  await imported.save(join(folder, 'm.safetensors'));
  const loaded = await LanguageModel.load(join(folder, 'm.safetensors'));
  t.is(await loaded.logProbability('the sea'), await model.logProbability('the sea'));
});

test('a file for PyTorch is no model file: the message says what reads it', async (t) => {
  const path = join(await folderOf(t), 'p.safetensors');
  await exportPyTorch(randomModel([{ cell: 'rnn', size: 4 }]), path);
  const message =
    /the format timernn\.model, got "pt"; importPyTorch or `timernn import` makes a model of a file of PyTorch/;
  await t.throwsAsync(LanguageModel.load(path), isCode('ERR_TIMERNN_FORMAT', message));
});
