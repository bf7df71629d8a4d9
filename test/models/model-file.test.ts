/** Saved models: round trips to the bit, and every file that is not one of ours refused with the right code. */
import { chmod, mkdir, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { Corpus, LanguageModel, type TimeRNNError, Vocabulary } from 'timernn';
import { readSafetensors, type TensorInput, writeSafetensors } from '#src/checkpoint/safetensors.js';
import { charCorpus, digest, folderOf, isCode, joined, newModel, randomText, train } from './helpers/models.js';

const corpus = charCorpus(3000);

async function saved(t: ExecutionContext, model = newModel(corpus, { sizes: [12, 9] })): Promise<string> {
  const path = join(await folderOf(t), 'model.safetensors');
  await model.save(path);
  return path;
}

for (const unit of ['char', 'word'] as const) {
  test(`round trip: the same bits, spec, vocabulary, text and perplexity (${unit})`, async (t) => {
    const text = Corpus.fromText(randomText(1500), { unit });
    const model = newModel(text, { sizes: [12, 9] });
    await train(model, text, { streams: 4, window: 8, workers: 2, reportEvery: 20 }, () => true);
    const loaded = await LanguageModel.load(await saved(t, model));
    t.is(await digest(loaded), await digest(model));
    t.deepEqual(loaded.spec, model.spec);
    t.is(loaded.parameterCount, model.parameterCount);
    t.is(loaded.vocabulary.hash, model.vocabulary.hash);
    t.is(await loaded.perplexity(text, { streams: 3 }), await model.perplexity(text, { streams: 3 }));
    t.is(await loaded.logProbability('the whale'), await model.logProbability('the whale'));
    const options = { length: 50, seed: 4 };
    t.is(await joined(loaded.generate(options)), await joined(model.generate(options)));
    // Training goes on from there as it would have.
    for (const m of [loaded, model])
      await train(m, text, { streams: 4, window: 8, workers: 2, reportEvery: 5 }, () => true);
    t.is(await digest(loaded), await digest(model));
  });
}

test('a vocabulary of integers', async (t) => {
  const tokens = Corpus.fromTokens(Uint32Array.of(1, 2, 3, 1, 2, 3), { vocabularySize: 5 });
  const loaded = await LanguageModel.load(await saved(t, newModel(tokens)));
  t.is(loaded.vocabulary.hash, Vocabulary.ofSize(5).hash);
  t.true((await loaded.perplexity(tokens)) > 1);
});

test('saving over a file replaces it as a whole, and through a symbolic link too', async (t) => {
  const path = await saved(t);
  const link = `${path}.link`;
  await symlink(path, link);
  const model = newModel(corpus, { seed: 7 });
  await model.save(link);
  t.is(await digest(await LanguageModel.load(path)), await digest(model));
  t.is((await readdir(join(path, '..'))).length, 2, 'no temporary file is left');
});

test('where nothing can be written: ERR_TIMERNN_FILE, and nothing half-written', async (t) => {
  const folder = await folderOf(t);
  const model = newModel(corpus);
  const refused = isCode('ERR_TIMERNN_FILE', /to be writable, got/);
  await t.throwsAsync(model.save(join(folder, 'missing', 'model.safetensors')), refused);
  await writeFile(join(folder, 'file'), 'x');
  await t.throwsAsync(model.save(join(folder, 'file', 'model.safetensors')), refused);
  await t.throwsAsync(model.save(folder), isCode('ERR_TIMERNN_FILE', /regular file/));
  await mkdir(join(folder, 'locked'));
  await chmod(join(folder, 'locked'), 0o555);
  // The superuser may write anywhere.
  if (process.getuid?.() !== 0) await t.throwsAsync(model.save(join(folder, 'locked', 'm')), refused);
  t.deepEqual(await readdir(join(folder, 'locked')), []);
  await chmod(join(folder, 'locked'), 0o755);
  t.deepEqual((await readdir(folder)).sort(), ['file', 'locked']);
  for (const path of ['', undefined, 7, 'a\0b']) {
    await t.throwsAsync(model.save(path as string), isCode('ERR_TIMERNN_OPTION', /^Expected path/));
    await t.throwsAsync(LanguageModel.load(path as string), isCode('ERR_TIMERNN_OPTION', /^Expected path/));
  }
  t.true((await model.perplexity(corpus, { streams: 8 })) > 1, 'and the model is as it was');
});

test('save and load take the URL of a file, as node:fs does', async (t) => {
  const url = pathToFileURL(join(await folderOf(t), 'a model.safetensors'));
  const model = newModel(corpus);
  await model.save(url);
  t.is(await digest(await LanguageModel.load(url)), await digest(model));
});

test('files that are none', async (t) => {
  const folder = await folderOf(t);
  await t.throwsAsync(LanguageModel.load(join(folder, 'missing')), isCode('ERR_TIMERNN_FILE', /no such file/));
  await t.throwsAsync(LanguageModel.load(folder), isCode('ERR_TIMERNN_FILE'));
  const path = join(folder, 'text');
  for (const bytes of ['', 'x', 'this is no safetensors file, it only claims to be one', '\0'.repeat(100)]) {
    await writeFile(path, bytes);
    await t.throwsAsync(LanguageModel.load(path), isCode('ERR_TIMERNN_FORMAT'));
  }
});

test('a file cut off anywhere', async (t) => {
  const path = await saved(t);
  const { length } = await readFile(path);
  for (let kept = length - 1; kept > 0; kept = Math.floor(kept * 0.8)) {
    await truncate(path, kept);
    await t.throwsAsync(LanguageModel.load(path), isCode('ERR_TIMERNN_FORMAT'), `${kept} of ${length} bytes`);
  }
});

test('a file with a byte changed: refused, or loaded whole, but never a crash', async (t) => {
  const path = await saved(t, newModel(corpus, { embedding: 2, sizes: [2] }));
  const bytes = await readFile(path);
  let refused = 0;
  for (let at = 0; at < bytes.length; at += 7) {
    const broken = Uint8Array.from(bytes);
    broken[at] = broken[at]! ^ 0xff;
    await writeFile(path, broken);
    try {
      const model = await LanguageModel.load(path);
      t.true(model.parameterCount > 0);
    } catch (error) {
      refused++;
      t.is((error as Error).name, 'TimeRNNError', `byte ${at}: ${(error as Error).message}`);
    }
  }
  t.true(refused > 20, `${refused} refused`);
});

/** What a file says, to be changed before it is written again. */
interface Draft {
  tensors: Map<string, TensorInput>;
  metadata: Map<string, string>;
}

/** Saves a small model and changes the file's content. */
async function changed(t: ExecutionContext, change: (draft: Draft) => void): Promise<string> {
  const path = await saved(t, newModel(corpus, { embedding: 4, sizes: [6] }));
  const { tensors, metadata } = await readSafetensors(path);
  const draft = {
    metadata,
    tensors: new Map([...tensors].map(([name, { shape, data }]) => [name, { name, shape, data }])),
  };
  change(draft);
  await writeSafetensors(path, [...draft.tensors.values()], draft.metadata);
  return path;
}

const V = corpus.vocabulary.size;
const put = (draft: Draft, name: string, shape: number[], data: TensorInput['data']) =>
  draft.tensors.set(name, { name, shape, data });
const spec = (draft: Draft, edit: (spec: { input: Record<string, unknown>; layers: unknown[] }) => void) => {
  const value = JSON.parse(draft.metadata.get('spec')!);
  edit(value);
  draft.metadata.set('spec', JSON.stringify(value));
};

const wrong: [what: string, code: TimeRNNError['code'], message: RegExp, change: (draft: Draft) => void][] = [
  ['no metadata', 'ERR_TIMERNN_FORMAT', /the format timernn\.model, got undefined$/, (d) => d.metadata.clear()],
  [
    'another format',
    'ERR_TIMERNN_FORMAT',
    /format timernn\.model, got "pt"; importPyTorch or `timernn import` makes a model of a file of PyTorch$/,
    (d) => d.metadata.set('format', 'pt'),
  ],
  ['a later version', 'ERR_TIMERNN_FORMAT', /format version 1, got "2"$/, (d) => d.metadata.set('version', '2')],
  ['no spec', 'ERR_TIMERNN_FORMAT', /"spec" entry.*got none$/, (d) => d.metadata.delete('spec')],
  ['a spec that is not JSON', 'ERR_TIMERNN_FORMAT', /JSON.*"spec"/, (d) => d.metadata.set('spec', '{')],
  ['a spec of null', 'ERR_TIMERNN_SPEC', /model spec/, (d) => d.metadata.set('spec', 'null')],
  [
    'an unknown cell',
    'ERR_TIMERNN_SPEC',
    /layers\[0\]\.cell/,
    (d) => spec(d, (s) => s.layers.splice(0, 1, { cell: 'x', size: 6 })),
  ],
  ['no layers', 'ERR_TIMERNN_SPEC', /Expected layers to be/, (d) => spec(d, (s) => s.layers.splice(0, 1))],
  ['a size of 0', 'ERR_TIMERNN_SPEC', /embedding/, (d) => spec(d, (s) => Object.assign(s.input, { embedding: 0 }))],
  ['an unknown field', 'ERR_TIMERNN_SPEC', /input/, (d) => spec(d, (s) => Object.assign(s.input, { more: 1 }))],
  [
    'a spec larger than the tensors',
    'ERR_TIMERNN_FORMAT',
    /embedding\.W as F32/,
    (d) => spec(d, (s) => Object.assign(s.input, { embedding: 2 ** 24 })),
  ],
  [
    'a layer of 2²⁴, of which there is no tensor',
    'ERR_TIMERNN_FORMAT',
    /layers\.1\.Wx|output\.W/,
    (d) => spec(d, (s) => s.layers.push({ cell: 'rnn', size: 2 ** 24 })),
  ],
  ['no vocabulary', 'ERR_TIMERNN_FORMAT', /"vocabulary" entry/, (d) => d.metadata.delete('vocabulary')],
  ['a vocabulary of nonsense', 'ERR_TIMERNN_VOCABULARY', /./, (d) => d.metadata.set('vocabulary', '{"unit":"char"}')],
  [
    'a vocabulary of another size',
    'ERR_TIMERNN_FORMAT',
    /a vocabulary of \d+ tokens, got 9$/,
    (d) => d.metadata.set('vocabulary', '{"unit":"token","size":9}'),
  ],
  [
    'another vocabulary of that size',
    'ERR_TIMERNN_FORMAT',
    /vocabulary hash/,
    (d) => d.metadata.set('vocabulary', `{"unit":"token","size":${V}}`),
  ],
  ['no hash', 'ERR_TIMERNN_FORMAT', /vocabulary hash.*undefined$/, (d) => d.metadata.delete('vocabularyHash')],
  [
    'a missing tensor',
    'ERR_TIMERNN_FORMAT',
    /the tensor layers\.0\.b, got none/,
    (d) => d.tensors.delete('layers.0.b'),
  ],
  ['no tensors', 'ERR_TIMERNN_FORMAT', /the tensor embedding\.W, got none/, (d) => d.tensors.clear()],
  [
    'a foreign tensor',
    'ERR_TIMERNN_FORMAT',
    /only tensors of its spec, got "more"$/,
    (d) => put(d, 'more', [1], Float32Array.of(1)),
  ],
  [
    'a tensor of another shape',
    'ERR_TIMERNN_FORMAT',
    /layers\.0\.b as F32 \[6\], got F32 \[2, 3\]$/,
    (d) => put(d, 'layers.0.b', [2, 3], new Float32Array(6)),
  ],
  [
    'a transposed matrix',
    'ERR_TIMERNN_FORMAT',
    /layers\.0\.Wx as F32 \[4, 6\], got F32 \[6, 4\]$/,
    (d) => put(d, 'layers.0.Wx', [6, 4], new Float32Array(24)),
  ],
  [
    'double precision',
    'ERR_TIMERNN_FORMAT',
    /layers\.0\.b as F32 \[6\], got F64 \[6\]$/,
    (d) => put(d, 'layers.0.b', [6], new Float64Array(6)),
  ],
  [
    'NaN among the weights',
    'ERR_TIMERNN_FORMAT',
    /finite weights in layers\.0\.b, got NaN at index 4$/,
    (d) => put(d, 'layers.0.b', [6], Float32Array.of(0, 1, 2, 3, Number.NaN, 5)),
  ],
  [
    'an infinite weight',
    'ERR_TIMERNN_FORMAT',
    /in output\.b, got -Infinity at index 0$/,
    (d) => put(d, 'output.b', [V], new Float32Array(V).fill(-Infinity, 0, 1)),
  ],
];
for (const [what, code, message, change] of wrong) {
  test(`refused: ${what}`, async (t) => {
    await t.throwsAsync(LanguageModel.load(await changed(t, change)), isCode(code, message));
  });
}

test('what is not changed is accepted', async (t) => {
  const model = await LanguageModel.load(await changed(t, () => {}));
  t.is(await digest(model), await digest(newModel(corpus, { embedding: 4, sizes: [6] })));
});
