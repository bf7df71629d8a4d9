/** `timernn train`, for real: files, JSON lines, interruption, going on. */
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { LanguageModel } from 'timernn';
import { jsonLines, temporaryFolder, timernn } from './helpers/cli.js';

const TEXT = 'The sea had jeeringly kept his finite body up, but drowned the infinite of his soul.\n'.repeat(60);
const TINY = [
  '--size',
  '16',
  '--embedding',
  '8',
  '--streams',
  '4',
  '--window',
  '16',
  '--workers',
  '2',
  '--sample',
  '20',
];

async function folderWithBook(t: ExecutionContext): Promise<string> {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'book.txt'), TEXT);
  return folder;
}

test('train saves a model and a report, and says what it does in plain lines', async (t) => {
  const cwd = await folderWithBook(t);
  const args = ['train', 'book.txt', ...TINY, '--epochs', '2', '--out', 'm.safetensors', '--report', 'r.html'];
  const { code, stdout, stderr } = await timernn(args, { cwd });
  t.is(code, 0, stderr);
  t.is(stderr, '');
  t.regex(stdout, /model +embedding 8 → rnn 16 → softmax/);
  t.regex(stdout, /epoch 2\/2 {2}perplexity [\d.]+, held out [\d.]+ \([\d.]+ bits\/char\)/);
  t.regex(stdout, /Model saved: m\.safetensors\nReport: r\.html\n$/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no line is rewritten in a pipe
  t.notRegex(stdout, /[\r\u001b]/);
  t.deepEqual((await readdir(cwd)).sort(), ['book.txt', 'm.safetensors', 'r.html']);
  const model = await LanguageModel.load(join(cwd, 'm.safetensors'));
  t.like(model.spec, { layers: [{ cell: 'rnn', size: 16 }], input: { embedding: 8 } });
  const html = await readFile(join(cwd, 'r.html'), 'utf8');
  t.regex(html, /Schedule<[^\n]*exponential \(factor 0\.9\)/);
  t.regex(html, /Training on book\.txt/);
  t.regex(html, /After epoch 2, held-out perplexity/);
});

test('--cell, --activation and --reset-before choose the cell; what does not fit is refused', async (t) => {
  const cwd = await folderWithBook(t);
  for (const [flags, layer, shown] of [
    [['--cell', 'lstm'], { cell: 'lstm', size: 16 }, /→ lstm 16 →/],
    [['--cell', 'gru', '--reset-before'], { cell: 'gru', size: 16, resetAfter: false }, /→ gru reset-before 16 →/],
    [['--activation', 'relu'], { cell: 'rnn', size: 16, activation: 'relu' }, /→ rnn relu 16 →/],
  ] as const) {
    const { code, stdout, stderr } = await timernn(['train', 'book.txt', ...TINY, ...flags], { cwd });
    t.is(code, 0, stderr);
    t.regex(stdout, shown);
    const model = await LanguageModel.load(join(cwd, 'model.safetensors'));
    t.deepEqual(model.spec.layers, [layer]);
    t.regex((await timernn(['inspect', 'model.safetensors'], { cwd })).stdout, shown);
  }
  for (const [flags, message] of [
    [['--cell', 'elman'], /--cell: expected one of rnn, lstm, gru, got "elman"/],
    [['--cell', 'lstm', '--activation', 'relu'], /--activation: expected it together with --cell rnn/],
    [['--reset-before'], /--reset-before: expected it together with --cell gru/],
  ] as const) {
    const { code, stderr } = await timernn(['train', 'book.txt', ...flags], { cwd });
    t.is(code, 2);
    t.regex(stderr, message);
  }
});

test('tied weights, dropout, an optimiser and patience: what is asked is in the model and in the rate', async (t) => {
  const cwd = await folderWithBook(t);
  const model = ['--tied', '--dropout', '0.2', '--input-dropout', '0.1', '--locked-dropout', '--weight-drop', '0.3'];
  const more = ['--word-dropout', '0.1', '--activation-penalty', '2', '--temporal-penalty', '1', '--clip-value', '1'];
  const run = [
    '--optimizer',
    'adam',
    '--weight-decay',
    '0.001',
    '--random-windows',
    '--patience',
    '1',
    '--epochs',
    '3',
  ];
  const args = ['train', 'book.txt', ...TINY, '--cell', 'lstm', ...model, ...more, ...run, '--json', '--quiet'];
  const { code, stdout, stderr } = await timernn(args, { cwd });
  t.is(code, 0, stderr);
  const events = jsonLines(stdout);
  const epochs = events.filter((event) => event.event === 'epoch');
  t.true(epochs.length >= 1 && epochs.length <= 3);
  t.is(events.find((event) => event.event === 'progress')?.epochs, 3);
  t.true((epochs[0]?.learningRate as number) <= 0.0015, 'Adam’s own step size, not that of SGD');
  const { spec } = await LanguageModel.load(join(cwd, 'model.safetensors'));
  t.deepEqual(spec.layers, [{ cell: 'lstm', size: 16, dropout: 0.2, weightDrop: 0.3 }]);
  t.like(spec, { input: { dropout: 0.1, wordDropout: 0.1 }, output: { tied: true }, dropoutKind: 'locked' });
  t.regex((await timernn(['inspect', 'model.safetensors'], { cwd })).stdout, /softmax \(tied\)/);
});

test('--json: every line of stdout is an object, text goes to stderr; --quiet silences that too', async (t) => {
  const cwd = await folderWithBook(t);
  const args = ['train', 'book.txt', ...TINY, '--epochs', '2', '--json'];
  const { code, stdout, stderr } = await timernn(args, { cwd });
  t.is(code, 0);
  t.regex(stderr, /epoch 2\/2/);
  const events = jsonLines(stdout);
  t.like(events[0], { event: 'start', unit: 'char', streams: 4, window: 16, workers: 2, epochs: 2 });
  t.like(events.at(-1), { event: 'saved', what: 'model', path: 'model.safetensors' });
  const progress = events.filter((event) => event.event === 'progress');
  t.true(progress.length >= 2);
  t.true(progress.every((event) => typeof event.loss === 'number' && typeof event.tokensPerSecond === 'number'));
  t.like(progress.at(-1), { epoch: 2, epochEnd: true });
  const epochs = events.filter((event) => event.event === 'epoch');
  t.deepEqual(
    epochs.map((event) => event.epoch),
    [1, 2],
  );
  t.true(epochs.every((event) => (event.heldOut as { perplexity: number }).perplexity > 1));
  const quiet = await timernn([...args, '--quiet'], { cwd });
  t.is(quiet.stderr, '');
  t.is(jsonLines(quiet.stdout).at(-1)?.event, 'saved');
});

test('words, a falling learning rate, nothing held out, no samples', async (t) => {
  const cwd = await folderWithBook(t);
  const word = ['--unit', 'word', '--vocabulary-size', '10', '--lowercase', '--separate-punctuation'];
  const rate = ['--learning-rate', '0.5', '--decay', '0.5', '--held-out', '0', '--epochs', '3', '--json', '--quiet'];
  const { code, stdout, stderr } = await timernn(['train', 'book.txt', ...TINY, ...word, ...rate, '--sample', '0'], {
    cwd,
  });
  t.is(code, 0, stderr);
  const events = jsonLines(stdout);
  t.like(events[0], { schedule: 'exponential (factor 0.5)' });
  t.like(events[0], { unit: 'word', vocabulary: 10, heldOutTokens: 0 });
  const epochs = events.filter((event) => event.event === 'epoch');
  t.deepEqual(
    epochs.map((event) => event.learningRate),
    [0.5, 0.25, 0.125],
  );
  t.true(epochs.every((event) => !('heldOut' in event) && !('sample' in event)));
});

/** What the epochs of a run of some schedule started from, and how they were on held-out text. */
async function epochsOf(t: ExecutionContext, ...args: string[]) {
  const cwd = await folderWithBook(t);
  const { code, stdout, stderr } = await timernn(['train', 'book.txt', ...TINY, ...args, '--json', '--quiet'], { cwd });
  t.is(code, 0, stderr);
  const events = jsonLines(stdout);
  const epochs = events.filter((event) => event.event === 'epoch');
  return {
    rates: epochs.map((event) => event.learningRate as number),
    heldOut: epochs.map((event) => (event.heldOut as { perplexity: number }).perplexity),
  };
}

test('--schedule: constant stays, a cosine ends near 0, a warm-up starts low', async (t) => {
  const rate = ['--learning-rate', '0.5', '--epochs', '2'];
  t.deepEqual((await epochsOf(t, ...rate, '--schedule', 'constant')).rates, [0.5, 0.5]);
  const { rates } = await epochsOf(t, ...rate, '--schedule', 'cosine');
  t.true(Math.abs(rates[0]! - 0.25) < 0.02, `half way down: ${rates[0]}`);
  t.true(rates[1]! < 0.001, `at the end: ${rates[1]}`);
  const warm = await epochsOf(t, ...rate, '--schedule', 'constant', '--warmup', '1000000');
  t.true(warm.rates[1]! > warm.rates[0]! && warm.rates[1]! < 0.001, `${warm.rates}`);
});

test('--schedule plateau: the step size falls after each epoch that was no better, and only then', async (t) => {
  const args = ['--schedule', 'plateau', '--learning-rate', '8', '--decay', '0.5', '--epochs', '8'];
  const { rates, heldOut } = await epochsOf(t, ...args);
  let best = Number.POSITIVE_INFINITY;
  let expected = 8;
  const expectedRates = heldOut.map((perplexity) => {
    const rate = expected;
    if (perplexity >= best) expected *= 0.5;
    best = Math.min(best, perplexity);
    return rate;
  });
  t.deepEqual(rates, expectedRates);
  t.true(rates.at(-1)! < 8, `it fell: ${rates}`);
});

test('--schedule plateau with an average does not go back, by a factor of 0.25', async (t) => {
  const args = ['--schedule', 'plateau', '--learning-rate', '8', '--epochs', '6', '--optimizer', 'asgd'];
  const { rates } = await epochsOf(t, ...args, '--average-from', '10');
  t.true(rates.length === 6 && rates.every((rate) => Number.isInteger(Math.log(8 / rate) / Math.log(4))), `${rates}`);
});

test('a text of one line, which has no line end to start samples from, trains too', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'line.txt'), 'all work and no play '.repeat(100));
  const { code, stderr, stdout } = await timernn(['train', 'line.txt', ...TINY, '--epochs', '1'], { cwd });
  t.is(code, 0, stderr);
  t.regex(stdout, / {2}│ a/);
  const generate = await timernn(['generate', 'model.safetensors'], { cwd });
  t.is(generate.code, 2);
  t.regex(generate.stderr, /--prompt: expected some text/);
});

test('a short text trains with the default streams; too many are refused before the header is printed', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'short.txt'), TEXT.slice(0, 300));
  const args = ['train', 'short.txt', '--size', '8', '--embedding', '4', '--epochs', '1', '--sample', '0'];
  const { code, stdout, stderr } = await timernn(args, { cwd });
  t.is(code, 0, stderr);
  t.regex(stdout, / 4 streams × 64 steps/);
  t.notRegex(stdout, /replaces/);
  const refused = await timernn([...args, '--streams', '100000000'], { cwd });
  t.is(refused.code, 1);
  t.is(refused.stdout, '');
  t.regex(refused.stderr, /^timernn train: Expected streams to be at most 269 .*, got 100000000\n$/);
  t.regex((await timernn(args, { cwd })).stdout, /saves to +model\.safetensors \(replaces the file that is there\)/);
});

test('a run that diverges names the options of the command line', async (t) => {
  const cwd = await folderWithBook(t);
  const wild = ['--learning-rate', '3e38', '--epochs', '20'];
  const clipped = await timernn(['train', 'book.txt', ...TINY, ...wild, '--clip', '1e30'], { cwd });
  t.is(clipped.code, 1);
  t.regex(clipped.stderr, /a smaller --learning-rate or --clip may help\n$/);
  const free = await timernn(['train', 'book.txt', ...TINY, ...wild, '--clip', '0'], { cwd });
  t.is(free.code, 1);
  t.regex(free.stderr, /a smaller --learning-rate, or a --clip above 0, may help\n$/);
});

test('a folder that cannot be written is refused before anything else is done', async (t) => {
  const cwd = await folderWithBook(t);
  await mkdir(join(cwd, 'folder'));
  const wrong: [args: string[], says: RegExp][] = [
    [['--out', 'none/m.safetensors'], /--out: cannot write into the folder .*none: it does not exist/],
    [['--out', 'book.txt/m.safetensors'], /--out: cannot write into the folder .*book\.txt: a part of it is a file/],
    [['--out', 'folder'], /--out: cannot write folder: it is a folder; name a file/],
    [['--out', '/dev/null'], /--out: cannot write \/dev\/null: it is a device, pipe or socket; name a file/],
    [['--report', 'none/r.html'], /--report: cannot write into the folder .*none: it does not exist/],
  ];
  // The book does not exist either: that the folder is named shows what was looked at first.
  for (const [args, says] of wrong) {
    const { code, stdout, stderr } = await timernn(['train', 'no-book.txt', ...TINY, ...args], { cwd });
    t.is(code, 1);
    t.is(stdout, '');
    t.regex(stderr, says);
    t.is(stderr.trimEnd().split('\n').length, 1);
  }
  t.deepEqual((await readdir(cwd)).sort(), ['book.txt', 'folder']);
});

test('nothing is written over what is read, over another output, or over the files of the run', async (t) => {
  const cwd = await folderWithBook(t);
  await mkdir(join(cwd, 'run'));
  await symlink('book.txt', join(cwd, 'link.txt'));
  const wrong: [args: string[], says: RegExp][] = [
    [['--out', './book.txt'], /--out: expected another file than the text, got \.\/book\.txt/],
    [['--out', 'link.txt'], /--out: expected another file than the text, got link\.txt/],
    [['--report', 'book.txt'], /--report: expected another file than the text, got book\.txt/],
    [['--out', 'x', '--report', 'x'], /--report: expected another file than --out, got x/],
    [['--run', 'run', '--out', 'run/run.json'], /--out: expected another file than run\.json of the run, got/],
    [
      ['--run', 'run', '--out', 'run/best.safetensors'],
      /--out: expected another file than best\.safetensors of the run/,
    ],
  ];
  for (const [args, says] of wrong) {
    const { code, stderr } = await timernn(['train', 'book.txt', ...TINY, ...args], { cwd });
    t.is(code, 2);
    t.regex(stderr, says);
  }
  t.is(await readFile(join(cwd, 'book.txt'), 'utf8'), TEXT);
  t.deepEqual(await readdir(join(cwd, 'run')), []);
});

test('early stopping is said, and which epoch the model is of; a model may lie in the folder of its run', async (t) => {
  const cwd = await folderWithBook(t);
  const args = ['train', 'book.txt', ...TINY, '--epochs', '50', '--patience', '2', '--clip', '0', '--dropout', '0.1'];
  const wild = ['--optimizer', 'adam', '--learning-rate', '0.5', '--schedule', 'constant'];
  const out = ['--run', 'r', '--out', 'r/model.safetensors'];
  const said =
    /Trained for .*\. Ended after epoch (\d+) of 50: held-out text got no better\. The model is that of epoch (\d+), the best\./;
  const first = await timernn([...args, ...wild, ...out], { cwd });
  t.is(first.code, 0, first.stderr);
  t.regex(first.stdout, /dropout: layer 0 0\.1; element/);
  const [, ended, best] = said.exec(first.stdout) ?? [];
  t.is(Number(ended), Number(best) + 2, first.stdout);
  const again = await timernn([...args, ...wild, ...out, '--resume', '--json', '--quiet'], { cwd });
  t.like(
    jsonLines(again.stdout).find(({ event }) => event === 'done'),
    { done: Number(ended), epochs: 50, kept: Number(best) },
  );
});

test('a missing, empty or too short text is one line and exit code 1; no model is left', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'empty.txt'), '');
  await writeFile(join(cwd, 'short.txt'), 'ab\n');
  for (const file of ['missing.txt', 'empty.txt', 'short.txt']) {
    const { code, stderr } = await timernn(['train', file, ...TINY, '--quiet'], { cwd });
    t.is(code, 1, file);
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
    t.regex(stderr, /^timernn train: .*Expected/);
  }
  t.deepEqual((await readdir(cwd)).sort(), ['empty.txt', 'short.txt']);
});

for (const [signal, exit] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} stops at a window, saves the model and says how to go on; that command goes on`, async (t) => {
    const cwd = await folderWithBook(t);
    const args = ['train', 'book.txt', ...TINY, '--epochs', '100000', '--decay', '0.9', '--report', 'r.html', '--json'];
    let sent = false;
    const { code, stdout, stderr } = await timernn(args, {
      cwd,
      onOutput: (child, out) => {
        if (sent || !out.includes('"event":"epoch"')) return;
        sent = true;
        child.kill(signal);
      },
    });
    t.is(code, exit, stderr);
    t.regex(stderr, new RegExp(`${signal}: stopping at the next window and saving`));
    const last = jsonLines(stdout).at(-1) as { event: string; signal: string; goOn: string };
    t.like(last, { event: 'interrupted', signal });
    t.true(stderr.includes(`Go on with: ${last.goOn}`));
    await t.notThrowsAsync(LanguageModel.load(join(cwd, 'model.safetensors')));
    t.regex(await readFile(join(cwd, 'r.html'), 'utf8'), /was stopped before its last epoch/);

    const words = last.goOn.split(' ');
    t.deepEqual(words.slice(0, 6), ['npx', 'timernn', 'train', 'book.txt', '--from', 'model.safetensors']);
    t.is(words[words.indexOf('--streams') + 1], '4');
    t.true(Number(words[words.indexOf('--epochs') + 1]) < 100_000);
    words[words.indexOf('--epochs') + 1] = '1';
    const again = await timernn(words.slice(2), { cwd });
    t.is(again.code, 0, again.stderr);
    t.like(jsonLines(again.stdout).at(-2), { event: 'saved', what: 'model' });
  });
}

test('a reader that goes away ends the run quietly, with the model saved', async (t) => {
  const cwd = await folderWithBook(t);
  const { stderr } = await timernn(['train', 'book.txt', ...TINY, '--epochs', '100000', '--json', '--quiet'], {
    cwd,
    onOutput: (child, out) => {
      if (out.includes('"event":"epoch"')) child.stdout?.destroy();
    },
  });
  t.is(stderr, '');
  await t.notThrowsAsync(LanguageModel.load(join(cwd, 'model.safetensors')));
});

test('--from goes on where the model was, with its own vocabulary', async (t) => {
  const cwd = await folderWithBook(t);
  const shared = ['--streams', '4', '--window', '16', '--sample', '0', '--json', '--quiet'];
  const first = await timernn(['train', 'book.txt', ...TINY, '--epochs', '8', '--json', '--quiet'], { cwd });
  const second = await timernn(['train', 'book.txt', '--from', 'model.safetensors', '--epochs', '1', ...shared], {
    cwd,
  });
  t.is(second.code, 0, second.stderr);
  const perplexities = (text: string) =>
    jsonLines(text)
      .filter((event) => event.event === 'epoch')
      .map((event) => event.perplexity as number);
  t.true(perplexities(second.stdout)[0]! < perplexities(first.stdout)[0]! / 2);
  t.like(jsonLines(second.stdout)[0], { layers: [{ cell: 'rnn', size: 16 }], embedding: 8 });
});
