/** Models of every cell and variant: built, trained, saved, loaded, scored and asked. */
import { join } from 'node:path';
import test from 'ava';
import { LanguageModel, type LayerOptions } from 'timernn';
import { readSafetensorsHeader } from '#src/checkpoint/safetensors.js';
import { nativeCell, parseSpec } from '#src/models/spec.js';
import { native } from '#src/native.js';
import { charCorpus, digest, doubles, folderOf, joined, newModel, referenceLoss, train } from './helpers/models.js';

const corpus = charCorpus(6_001);

const VARIANTS: LayerOptions[] = [
  { cell: 'rnn', size: 24 },
  { cell: 'rnn', size: 24, activation: 'relu' },
  { cell: 'lstm', size: 24 },
  { cell: 'gru', size: 24 },
  { cell: 'gru', size: 24, resetAfter: false },
];

test('the public spec reaches every cell of the native registry, each by one variant', (t) => {
  t.deepEqual(VARIANTS.map(nativeCell).sort(), [...native.cells()].sort());
});

for (const layer of VARIANTS) {
  const name = nativeCell(layer);

  test(`${name}: trains, and its perplexity and scores are those of the double reference`, async (t) => {
    const model = newModel(corpus, { layers: [layer, { ...layer, size: 11 }] });
    const first = await model.perplexity(corpus);
    await train(model, corpus, { streams: 8, window: 16, epochs: 3, workers: 2 });
    const after = await model.perplexity(corpus);
    t.true(after < 0.8 * first, `${first} → ${after}`);
    const tokens = corpus.tokens.slice(0, 200);
    const text = corpus.vocabulary.decode(tokens);
    const [head, rest] = [text.slice(0, 1), text.slice(1)];
    const got = await model.logProbability(rest, { context: head });
    const want = -referenceLoss(model, await doubles(model), tokens);
    // 200 losses, each good to a few 1e-7.
    t.true(Math.abs(got - want) < 1e-5 * Math.abs(want), `${got} against ${want}`);
  });

  test(`${name}: saved and loaded, the same bits, spec and text`, async (t) => {
    const model = newModel(corpus, { layers: [layer], seed: 5 });
    const path = join(await folderOf(t), 'model.safetensors');
    await model.save(path);
    const loaded = await LanguageModel.load(path);
    t.deepEqual(loaded.spec, model.spec);
    t.deepEqual(loaded.spec.layers, [layer]);
    t.is(await digest(loaded), await digest(model));
    const ask = { prompt: 'the ', length: 60, seed: 4 };
    const text = await joined(model.generate(ask));
    t.is(text.length, 60);
    t.is(await joined(loaded.generate(ask)), text);
    const { metadata } = await readSafetensorsHeader(path);
    t.deepEqual(JSON.parse(metadata.get('spec')!).layers, [layer], 'the file has the public form');
  });
}

test('defaults are left out of the spec: one architecture, one spec', (t) => {
  const spec = (layers: LayerOptions[]) =>
    parseSpec({ input: { kind: 'tokens', vocabulary: 5, embedding: 2 }, layers, output: { kind: 'softmax' } }).layers;
  t.deepEqual(spec([{ cell: 'rnn', size: 3, activation: 'tanh' }]), [{ cell: 'rnn', size: 3 }]);
  t.deepEqual(spec([{ cell: 'gru', size: 3, resetAfter: true }]), [{ cell: 'gru', size: 3 }]);
});

test('native names are no cells of the public spec', (t) => {
  for (const cell of ['rnn-relu', 'gru-reset-before']) {
    t.throws(() => newModel(corpus, { layers: [{ cell, size: 3 } as unknown as LayerOptions] }), {
      code: 'ERR_TIMERNN_SPEC',
      message: /cell to be one of rnn, lstm, gru, got /,
    });
  }
});

test('the parameters of an LSTM: four gates a layer', (t) => {
  const [V, D, H] = [corpus.vocabulary.size, 8, 24];
  const count = newModel(corpus, { layers: [{ cell: 'lstm', size: H }] }).parameterCount;
  t.is(count, V * D + 4 * H * (D + H + 1) + H * V + V);
});
