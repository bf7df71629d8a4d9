/** The commands export and import. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Corpus, LanguageModel } from 'timernn';
import { readSafetensors, writeSafetensors } from '#src/checkpoint/safetensors.js';
import { jsonLines, timernn } from './helpers/cli.js';

let cwd = '';
let model: LanguageModel;

test.before(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'timernn-exchange-'));
  const corpus = Corpus.fromText('the white whale\nthe sea\n'.repeat(50), { unit: 'word' });
  model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 8, layers: [{ cell: 'lstm', size: 16 }] });
  await model.save(join(cwd, 'm.safetensors'));
});

test.after.always(() => rm(cwd, { recursive: true, force: true }));

test('out to PyTorch and back: the same file, byte for byte', async (t) => {
  const out = await timernn(['export', '--format', 'pytorch', 'm.safetensors', 'p.safetensors'], { cwd });
  t.is(out.code, 0, out.stderr);
  t.regex(out.stdout, /^wrote p\.safetensors, [\d.]+ kB\n$/);
  const back = await timernn(['import', 'p.safetensors', 'back.safetensors'], { cwd });
  t.is(back.code, 0, back.stderr);
  t.regex(
    back.stdout,
    /^model +6 tokens → embedding 8 → lstm 16 → softmax\nparameters +[\d,]+\nwrote back\.safetensors, /,
  );
  t.deepEqual(await readFile(join(cwd, 'back.safetensors')), await readFile(join(cwd, 'm.safetensors')));
  const inspected = await timernn(['inspect', 'p.safetensors', '--json'], { cwd });
  t.like(jsonLines(inspected.stdout)[0], { spec: model.spec, vocabulary: { unit: 'word', size: 6 } });
});

test('out to ONNX; --json of both commands', async (t) => {
  const onnx = await timernn(['export', '--format', 'onnx', 'm.safetensors', 'm.onnx', '--json'], { cwd });
  t.is(onnx.code, 0, onnx.stderr);
  const { length } = await readFile(join(cwd, 'm.onnx'));
  t.deepEqual(jsonLines(onnx.stdout), [
    { file: 'm.onnx', format: 'onnx', bytes: length, parameters: model.parameterCount },
  ]);
  await timernn(['export', '--format', 'pytorch', 'm.safetensors', 'j.safetensors'], { cwd });
  const back = await timernn(['import', 'j.safetensors', 'k.safetensors', '--json'], { cwd });
  t.like(jsonLines(back.stdout)[0], { file: 'k.safetensors', parameters: model.parameterCount, spec: model.spec });
});

test('a file of PyTorch without a vocabulary: from a list, from a model, bare ids; else the option is named', async (t) => {
  await timernn(['export', '--format', 'pytorch', 'm.safetensors', 'q.safetensors'], { cwd });
  const { tensors } = await readSafetensors(join(cwd, 'q.safetensors'));
  const bare = [...tensors].map(([name, { shape, data }]) => ({ name, shape, data }));
  await writeSafetensors(join(cwd, 'bare.safetensors'), bare);
  const { vocabulary } = model;
  const words = Array.from({ length: vocabulary.size }, (_, id) => vocabulary.token(id));
  await writeFile(join(cwd, 'words.txt'), `${words.join('\n')}\n`);
  const imported = (...args: string[]) => timernn(['import', 'bare.safetensors', 'i.safetensors', ...args], { cwd });
  const without = await imported();
  t.is(without.code, 1);
  t.regex(
    without.stderr,
    /a vocabulary of 6 tokens for bare\.safetensors, got none: .*, so pass --vocabulary <from>, or --ids\n$/,
  );
  for (const args of [
    ['--vocabulary', 'words.txt', '--unit', 'word'],
    ['--vocabulary', 'm.safetensors'],
  ]) {
    const { code, stderr } = await imported(...args);
    t.is(code, 0, stderr);
    t.deepEqual(await readFile(join(cwd, 'i.safetensors')), await readFile(join(cwd, 'm.safetensors')), args.join(' '));
  }
  t.is((await imported('--ids')).code, 0);
  t.is((await LanguageModel.load(join(cwd, 'i.safetensors'))).vocabulary.unit, 'token');
  const unitless = await imported('--vocabulary', 'words.txt');
  t.is(unitless.code, 1);
  t.regex(unitless.stderr, /unit to be 'char' or 'word' with a list of tokens/);
});

test('neither command writes over the file that it reads', async (t) => {
  const before = await readFile(join(cwd, 'm.safetensors'));
  for (const args of [
    ['export', '--format', 'onnx', 'm.safetensors', './m.safetensors'],
    ['import', 'm.safetensors', 'm.safetensors'],
  ]) {
    const { code, stderr } = await timernn(args, { cwd });
    t.is(code, 2);
    t.regex(stderr, /<out>: expected another file than m\.safetensors, got the same/);
  }
  t.deepEqual(await readFile(join(cwd, 'm.safetensors')), before);
});

test('a place that cannot be written to, and files that cannot be read, are one line and exit code 1', async (t) => {
  for (const [args, says] of [
    [['export', '--format', 'onnx', 'm.safetensors', 'none/m.onnx'], /<out>: cannot write into the folder .*none/],
    [
      ['export', '--format', 'onnx', 'none.safetensors', 'm2.onnx'],
      /none\.safetensors to be readable, got no such file/,
    ],
    [
      ['import', 'm.safetensors', 'm2.safetensors'],
      /m\.safetensors to have tensors with names of PyTorch, got a model of timernn, which needs no import/,
    ],
  ] as const) {
    const { code, stdout, stderr } = await timernn(args, { cwd });
    t.deepEqual([code, stdout], [1, '']);
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
    t.regex(stderr, says);
  }
});
