/** The commands that use a saved model: generate, score, evaluate, inspect. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Corpus, LanguageModel } from 'timernn';
import { writeSafetensors } from '#src/checkpoint/safetensors.js';
import { cleanEnvironment, entry, jsonLines, temporaryFolder, timernn } from './helpers/cli.js';

const TEXT = 'the white whale\nthe sea\n'.repeat(50);
let cwd = '';
let model: LanguageModel;

test.before(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'timernn-use-'));
  const corpus = Corpus.fromText(TEXT, { unit: 'char' });
  model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 8, layers: [{ cell: 'rnn', size: 16 }] });
  for await (const _ of model.train(corpus, { streams: 4, window: 8, epochs: 5 }));
  await model.save(join(cwd, 'm.safetensors'));
  await writeFile(join(cwd, 'text.txt'), TEXT);
});

test.after.always(() => rm(cwd, { recursive: true, force: true }));

test('generate: prompt, length and seed; the same text as the library', async (t) => {
  const args = ['generate', 'm.safetensors', '--prompt', 'the ', '--length', '40', '--seed', '7', '--top-k', '3'];
  const { code, stdout, stderr } = await timernn([...args, '--temperature', '0.8'], { cwd });
  t.is(code, 0, stderr);
  let expected = 'the ';
  for await (const piece of model.generate({ prompt: 'the ', length: 40, seed: 7, topK: 3, temperature: 0.8 })) {
    expected += piece;
  }
  t.is(stdout.replace(/\n$/, ''), expected.replace(/\n$/, ''));
  t.true(stdout.endsWith('\n'));
});

test('generate | head: ends quietly when the reader goes away', async (t) => {
  const child = spawn(process.execPath, [entry, 'generate', 'm.safetensors', '--length', '100000000'], {
    cwd,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  await once(child.stdout, 'data');
  child.stdout.destroy();
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  t.deepEqual([code, signal, stderr], [0, null, '']);
});

test('score: arguments, a file and standard input give the library’s log probabilities', async (t) => {
  const texts = ['the sea', 'aes eht'];
  await writeFile(join(cwd, 'lines.txt'), `${texts.join('\n\n')}\n`);
  const expected = await Promise.all(texts.map((text) => model.logProbability(text)));
  const outcomes = [
    await timernn(['score', 'm.safetensors', '--json', ...texts], { cwd }),
    await timernn(['score', 'm.safetensors', '--json', '--file', 'lines.txt'], { cwd }),
    await timernn(['score', 'm.safetensors', '--json'], { cwd, input: `${texts.join('\r\n')}\r\n` }),
  ];
  for (const { code, stdout, stderr } of outcomes) {
    t.is(code, 0, stderr);
    const lines = jsonLines(stdout) as { text: string; tokens: number; logProbability: number; bitsPerToken: number }[];
    t.deepEqual(
      lines.map((line) => line.text),
      texts,
    );
    for (const [i, line] of lines.entries()) {
      t.is(line.tokens, 7);
      t.is(line.logProbability, expected[i]!);
      t.true(Math.abs(line.bitsPerToken + expected[i]! / 7 / Math.LN2) < 1e-9);
    }
  }
  t.true(expected[0]! > expected[1]!);
  const table = await timernn(['score', 'm.safetensors', ...texts], { cwd });
  t.regex(table.stdout, /^ +nats +bits\/char {2}text\n +-[\d.]+ +[\d.]+ {2}the sea\n/);
  const empty = await timernn(['score', 'm.safetensors', 'the sea', ''], { cwd });
  t.is(empty.code, 2);
  t.regex(empty.stderr, /^timernn score: texts: expected each to have at least one char, got ""/);
  const nothing = await timernn(['score', 'm.safetensors'], { cwd, input: '\n\n' });
  t.deepEqual([nothing.code, nothing.stdout], [1, '']);
  t.regex(nothing.stderr, /each line of standard input, got no texts\n$/);
  const missing = await timernn(['score', 'm.safetensors', '--file', 'none.txt'], { cwd });
  t.is(missing.code, 1);
  t.regex(missing.stderr, /^timernn score: Cannot read none\.txt: .*\n$/);
});

test('evaluate: the library’s perplexity, and what the vocabulary lacks', async (t) => {
  await writeFile(join(cwd, 'other.txt'), 'the whale Zé\n');
  const corpus = Corpus.fromText('the whale Zé\n', { unit: 'char', vocabulary: model.vocabulary });
  const { code, stdout, stderr } = await timernn(['evaluate', 'm.safetensors', 'other.txt', '--json'], { cwd });
  t.is(code, 0, stderr);
  const expected = await model.perplexity(corpus);
  t.like(jsonLines(stdout)[0], { perplexity: expected, tokens: 13, unknown: 2, unit: 'char' });
  const text = await timernn(['evaluate', 'm.safetensors', 'text.txt', '--streams', '2'], { cwd });
  t.regex(text.stdout, /^perplexity {2}[\d.]+\nbits\/char +[\d.]+\n/);
  const many = await timernn(['evaluate', 'm.safetensors', 'other.txt', '--streams', '50'], { cwd });
  t.is(many.code, 1);
  t.is(many.stderr.trimEnd().split('\n').length, 1);
});

test('evaluate --dynamic: the library’s figure with its numbers, and the model file stays as it was', async (t) => {
  const before = await readFile(join(cwd, 'm.safetensors'));
  const corpus = Corpus.fromText(TEXT, { unit: 'char', vocabulary: model.vocabulary });
  const numbers = ['--dynamic-learning-rate', '0.5', '--dynamic-window', '10', '--dynamic-clip', '1'];
  const { code, stdout, stderr } = await timernn(
    ['evaluate', 'm.safetensors', 'text.txt', '--dynamic', ...numbers, '--json'],
    { cwd },
  );
  t.is(code, 0, stderr);
  const dynamic = { learningRate: 0.5, window: 10, clip: 1 };
  const expected = await model.perplexity(corpus, { dynamic });
  t.like(jsonLines(stdout)[0], { perplexity: expected, dynamic });
  t.true(expected < (await model.perplexity(corpus)), 'a text that repeats itself is learned');
  t.deepEqual(await readFile(join(cwd, 'm.safetensors')), before);
  const few = ['--dynamic', '--dynamic-clip', '1', '--json'];
  const defaults = await timernn(['evaluate', 'm.safetensors', 'text.txt', ...few], { cwd });
  t.like(jsonLines(defaults.stdout)[0], { dynamic: { learningRate: 0.1, window: 20, clip: 1 } });
  const plain = await timernn(['evaluate', 'm.safetensors', 'text.txt', '--dynamic'], { cwd });
  t.regex(plain.stdout, /^perplexity {2}[\d.]+, with dynamic evaluation\n/);
  const long = ['--dynamic-learning-rate', '1e6', '--dynamic-clip', '1'];
  const diverged = await timernn(['evaluate', 'm.safetensors', 'text.txt', '--dynamic', ...long], { cwd });
  t.is(diverged.code, 1, diverged.stdout);
  t.regex(
    diverged.stderr,
    /to be finite, got .*a smaller --dynamic-learning-rate, or a lower --dynamic-clip, may help\n$/,
  );
});

test('inspect: what a file says of itself cannot steer the terminal', async (t) => {
  const path = join(await temporaryFolder(t), 'x.safetensors');
  await writeSafetensors(path, [{ name: 'w\u001b[2J', shape: [1], data: Float32Array.of(1) }], {
    'a\u009b1m': '\u001b]0;x\u0007',
  });
  const { code, stdout } = await timernn(['inspect', path], { cwd });
  t.is(code, 0);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  t.notRegex(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  t.regex(stdout, /w \[2J/);
});

test('evaluate: a warning where much is unknown, a hint where the arguments are swapped', async (t) => {
  await writeFile(join(cwd, 'foreign.txt'), 'der weiße Wal über dem Meer\n');
  const foreign = await timernn(['evaluate', 'm.safetensors', 'foreign.txt', '--json'], { cwd });
  t.is(foreign.code, 0);
  t.is(jsonLines(foreign.stdout).length, 1);
  t.regex(foreign.stderr, /^Warning: \d+ % of the characters are not in the model's vocabulary/);
  t.is((await timernn(['evaluate', 'm.safetensors', 'text.txt'], { cwd })).stderr, '');
  const swapped = await timernn(['evaluate', 'text.txt', 'm.safetensors'], { cwd });
  t.is(swapped.code, 1);
  t.regex(
    swapped.stderr,
    /text\.txt: Expected a safetensors file, got one that starts with "the whit"; are the arguments swapped/,
  );
  const wrong = await timernn(['evaluate', 'text.txt', 'text.txt'], { cwd });
  t.regex(wrong.stderr, /Expected a safetensors file, got one that starts with "the whit"\n$/);
});

test('inspect: spec, tensors, parameters and vocabulary from the header, without the addon', async (t) => {
  const env = { TIMERNN_NATIVE: '/nonexistent/timernn.node' };
  const { code, stdout, stderr } = await timernn(['inspect', 'm.safetensors', '--json'], { cwd, env });
  t.is(code, 0, stderr);
  const contents = jsonLines(stdout)[0]!;
  t.like(contents, {
    parameters: model.parameterCount,
    vocabulary: { unit: 'char', size: model.vocabulary.size, hash: model.vocabulary.hash },
  });
  t.deepEqual(contents.spec, model.spec as unknown);
  const tensors = contents.tensors as { name: string; shape: number[] }[];
  t.deepEqual(tensors.find(({ name }) => name === 'layers.0.Wh')?.shape, [16, 16]);
  const text = await timernn(['inspect', 'm.safetensors'], { cwd, env });
  t.regex(text.stdout, /layers\.0\.Wh +F32 +1\.0 kB {2}16 × 16\n/);
  t.notRegex(text.stdout, /^dropout/m);
});

test('inspect: what training drops', async (t) => {
  const folder = await temporaryFolder(t);
  const layers = [{ cell: 'lstm' as const, size: 4, dropout: 0.5 }];
  const noisy = new LanguageModel({ vocabulary: model.vocabulary, embedding: 4, layers, inputDropout: 0.2 });
  await noisy.save(join(folder, 'noisy.safetensors'));
  const { stdout } = await timernn(['inspect', join(folder, 'noisy.safetensors')], { cwd });
  t.regex(stdout, /^dropout {5}input 0\.2, layer 0 0\.5; element$/m);
});

test('a damaged or foreign model file is one line and exit code 1, in every command', async (t) => {
  const folder = await temporaryFolder(t);
  await model.save(join(folder, 'cut.safetensors'));
  await truncate(join(folder, 'cut.safetensors'), 1000);
  await writeFile(join(folder, 'text.safetensors'), TEXT);
  for (const file of ['cut.safetensors', 'text.safetensors', 'none.safetensors']) {
    for (const args of [
      ['generate', file],
      ['score', file, 'x'],
      ['evaluate', file, 'x'],
      ['inspect', file],
    ]) {
      const { code, stdout, stderr } = await timernn(args, { cwd: folder });
      t.is(code, 1, args.join(' '));
      t.is(stdout, '');
      t.is(stderr.trimEnd().split('\n').length, 1, stderr);
      t.true(stderr.includes(file), stderr);
    }
  }
});
