/** `timernn recipes` and `timernn train --recipe`: a tiny recipe from its text to its figures, and what is refused. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Corpus, LanguageModel } from 'timernn';
import { TEXTS, writeTiny } from '../recipes/helpers/tiny.js';
import { jsonLines, temporaryFolder, timernn } from './helpers/cli.js';

const WITHOUT_ADDON = { TIMERNN_NATIVE: '/nonexistent/timernn.node' };
const TRAIN = ['train', '--recipe', 'tiny.json', '--data', '.', '--workers', '1'];

interface Results {
  recipe: string;
  targetReached: boolean;
  measured: Record<string, number> & { command: string; dynamic: Record<string, number>[] };
  train: object;
  epochs: { epoch: number; trainPerplexity: number; heldOutPerplexity: number; seconds: number }[];
}

test('recipes: a table of all, one in full, JSON for programs; without the addon', async (t) => {
  const all = await timernn(['recipes'], { env: WITHOUT_ADDON });
  t.is(all.code, 0, all.stderr);
  t.regex(all.stdout, /^name +model +published +target +measured +took\n/);
  t.regex(all.stdout, /\nrnn-100 +tanh RNN 1 × 100(?:, tied)? +129 +122 /);
  const one = await timernn(['recipes', 'zaremba-small'], { env: WITHOUT_ADDON });
  t.regex(one.stdout, /published +114\.5 \(test\): Zaremba/);
  t.regex(one.stdout, /timernn train --recipe zaremba-small --data DIR\n$/);
  const cwd = await temporaryFolder(t);
  await writeTiny(cwd, (recipe) => {
    delete recipe.source;
  });
  const own = await timernn(['recipes', './tiny.json'], { cwd, env: WITHOUT_ADDON });
  t.regex(
    own.stdout,
    /\ndropout +none\nweights +by the layer\ntraining +3 epochs, 4 streams × 8 steps, sgd, learningRate 0\.5, clip 1,\s+seed 7\n(?:.*\n)*published +nothing\n(?:.*\n)*command +timernn train --recipe \.\/tiny\.json --data DIR\n$/,
  );
  await mkdir(join(cwd, 'my runs'));
  await writeTiny(join(cwd, 'my runs'), (recipe) => {
    recipe.title = 'Red \u001b[31m and \u0007 loud';
  });
  const spaced = await timernn(['recipes', './my runs/tiny.json'], { cwd, env: WITHOUT_ADDON });
  t.regex(spaced.stdout, /^tiny: Red {2}\[31m and {3}loud\n/);
  t.regex(spaced.stdout, /\ncommand +timernn train --recipe '\.\/my runs\/tiny\.json' --data DIR\n$/);
  const json = await timernn(['recipes', '--json'], { env: WITHOUT_ADDON });
  t.true(jsonLines(json.stdout).some((recipe) => recipe.name === 'lstm-100'));
  const unknown = await timernn(['recipes', 'lstm-101'], { env: WITHOUT_ADDON });
  t.is(unknown.code, 2);
  t.regex(
    unknown.stderr,
    /^timernn recipes: name: expected one of .*lstm-100.*, got "lstm-101" \(see timernn recipes --help\)\n$/,
  );
});

test('a recipe that averages: the start says so, and the first epoch that is measured with the average', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeTiny(cwd, (recipe) => {
    delete recipe.source;
    recipe.train = { ...(recipe.train as object), optimizer: { name: 'adam', averageFrom: 5 }, learningRate: 0.01 };
  });
  const { code, stdout, stderr } = await timernn(TRAIN, { cwd });
  t.is(code, 0, stderr);
  t.regex(stdout, /training +3 epochs, .*, adam, averaged after update 5, step size constant\n/);
  t.is(stdout.split('measured with the average of the parameters').length, 2, 'once');
  const results = JSON.parse(await readFile(join(cwd, 'runs', 'tiny', 'results.json'), 'utf8')) as Results;
  t.true(results.epochs.some((epoch) => (epoch as { averaging?: boolean }).averaging === true));
});

test('a recipe trains, measures with one stream, and leaves its record; the command is the same for everybody', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeTiny(cwd);
  const { code, stdout, stderr } = await timernn(TRAIN, { cwd });
  t.is(code, 0, stderr);
  t.regex(stdout, /recipe +tiny: A tiny RNN\npublished 12\.5 \(test\): Nobody 2030\ntarget +at most 100 \(test\)/);
  t.regex(stdout, /epoch 3\/3 {2}perplexity [\d.]+, held out [\d.]+/);
  t.regex(stdout, /test +perplexity [\d.]+\nvalidation +perplexity [\d.]+\n/);
  t.regex(stdout, /test, dynamic, learning rate 0\.05, window 5 +perplexity/);
  t.regex(stdout, /Target at most 100 \(test\): reached\.\n/);
  const folder = join(cwd, 'runs', 'tiny');
  const files = await readdir(folder);
  for (const file of ['curve.svg', 'model.safetensors', 'results.json']) t.true(files.includes(file), file);

  const results = JSON.parse(await readFile(join(folder, 'results.json'), 'utf8')) as Results;
  t.like(results, { recipe: 'tiny', targetReached: true });
  t.is(results.measured.command, 'npx timernn train --recipe tiny.json --data DIR');
  t.deepEqual(
    results.epochs.map((epoch) => epoch.epoch),
    [1, 2, 3],
  );
  t.true(results.epochs.every((epoch) => epoch.heldOutPerplexity > 1 && epoch.seconds > 0));
  const model = await LanguageModel.load(join(folder, 'model.safetensors'));
  const corpus = Corpus.fromText(TEXTS.test, { unit: 'word', vocabulary: model.vocabulary });
  const expected = await model.perplexity(corpus);
  t.true(Math.abs(results.measured.testPerplexity! - expected) < 1e-3);
  t.is(results.measured.dynamic.length, 1);
  const svg = await readFile(join(folder, 'curve.svg'), 'utf8');
  t.regex(svg, /tiny: A tiny RNN/);
  t.regex(svg, /target \(test\) 100/);
});

test('training knows nothing of the test text: another one changes no figure but its own', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeTiny(cwd, (recipe) => {
    delete (recipe.data as Record<string, unknown>).tokens;
  });
  const figures = async (run: string) => {
    const { code, stderr } = await timernn([...TRAIN, '--run', run, '--quiet'], { cwd });
    t.is(code, 0, stderr);
    const { measured } = JSON.parse(await readFile(join(cwd, run, 'results.json'), 'utf8')) as Results;
    return measured;
  };
  const first = await figures('one');
  await writeFile(join(cwd, 'test.txt'), 'sea sea sea whale\n'.repeat(20));
  const second = await figures('two');
  t.is(first.validPerplexity, second.validPerplexity);
  t.not(first.testPerplexity, second.testPerplexity);
});

test('--seed, --epochs, --out and --run are free; JSON tells the results', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeTiny(cwd);
  const free = ['--seed', '3', '--epochs', '2', '--out', 'm.safetensors', '--run', 'here', '--json', '--quiet'];
  const { code, stdout, stderr } = await timernn([...TRAIN, ...free], { cwd });
  t.is(code, 0, stderr);
  const events = jsonLines(stdout);
  t.like(events[0], { event: 'start', epochs: 2, recipe: { name: 'tiny' }, run: 'here', out: 'm.safetensors' });
  const results = events.find((event) => event.event === 'results') as { figures: { name: string }[] };
  t.deepEqual(
    results.figures.map((figure) => figure.name),
    [
      'test',
      'validation',
      'test, dynamic, learning rate 0.05, window 5',
      'validation, dynamic, learning rate 0.05, window 5',
    ],
  );
  t.like(events.at(-1), { event: 'saved', what: 'results' });
  const { measured, train } = JSON.parse(await readFile(join(cwd, 'here', 'results.json'), 'utf8')) as Results;
  t.is(measured.seed, 3);
  t.regex(measured.command, /--seed 3 --epochs 2$/);
  t.deepEqual(train, { streams: 4, window: 8, epochs: 2, learningRate: 0.5, clip: 1, seed: 3 }, 'what was really used');
  t.true((await readdir(cwd)).includes('m.safetensors'));
});

test('what a recipe does not allow is one line that names it', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeTiny(cwd, (recipe) => {
    recipe.train = { ...(recipe.train as object), epochs: 0 };
  });
  const cases: [args: string[], code: number, says: RegExp][] = [
    [['--recipe', 'tiny'], 2, /--data: expected the folder that holds the data of --recipe, got nothing/],
    [['--recipe', 'lstm-101', '--data', '.'], 2, /--recipe: expected one of .*lstm-100.*, got "lstm-101"/],
    [['--recipe', 'tiny.json', '--data', '.', '--size', '3'], 2, /--size: expected it to be left out beside --recipe/],
    [['book.txt', '--recipe', 'tiny.json', '--data', '.'], 2, /--recipe: expected no text beside it.*got "book\.txt"/],
    [['book.txt', '--data', '.'], 2, /--data: expected it together with --recipe, got it alone/],
    [['--recipe', 'tiny.json', '--data', '.'], 1, /tiny\.json: Expected train\.epochs to be a positive integer, got 0/],
    [['--recipe', 'rnn-100', '--data', '.'], 1, /to hold ptb\.train\.txt, .*, got one without ptb/],
    [['--recipe', 'none.json', '--data', '.'], 1, /Expected the recipe none\.json to be readable, got ENOENT/],
  ];
  for (const [args, exit, says] of cases) {
    const { code, stdout, stderr } = await timernn(['train', ...args], { cwd });
    t.is(code, exit, args.join(' '));
    t.is(stdout, '');
    t.regex(stderr, says);
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
  }
  t.false((await readdir(cwd)).includes('runs'), 'nothing is left of a run that did not begin');
});

test('SIGTERM stops a recipe with the command that goes on; that one ends at the same bits, and counts all epochs', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeTiny(cwd, (recipe) => {
    recipe.train = { ...(recipe.train as object), epochs: 60 };
  });
  const whole = await timernn([...TRAIN, '--run', 'whole', '--quiet'], { cwd });
  t.is(whole.code, 0, whole.stderr);

  let sent = false;
  const { code, stdout, stderr } = await timernn([...TRAIN, '--json'], {
    cwd,
    onOutput: (child, out) => {
      if (sent || !out.includes('"event":"epoch"')) return;
      sent = true;
      child.kill('SIGTERM');
    },
  });
  t.is(code, 143, stderr);
  const { goOn } = jsonLines(stdout).at(-1) as { goOn: string };
  t.is(goOn, 'npx timernn train --recipe tiny.json --data . --workers 1 --json --resume');
  t.true(stderr.includes(`Go on with: ${goOn}`));
  const folder = join(cwd, 'runs', 'tiny');
  const left = await readdir(folder);
  t.false(left.includes('model.safetensors') || left.includes('results.json'), 'these tell a finished run');

  const again = await timernn([...TRAIN], { cwd });
  t.is(again.code, 1);
  t.regex(
    again.stderr,
    /^timernn train: Expected --run to name a folder without a run, .*, got a run in runs\/tiny\n$/,
  );

  const resumed = await timernn([...goOn.split(' ').slice(2), '--quiet'], { cwd });
  t.is(resumed.code, 0, resumed.stderr);
  const model = (path: string) => readFile(join(cwd, path, 'model.safetensors'));
  t.deepEqual(await model('runs/tiny'), await model('whole'));
  const results = async (path: string) =>
    JSON.parse(await readFile(join(cwd, path, 'results.json'), 'utf8')) as Results;
  const [there, here] = [await results('runs/tiny'), await results('whole')];
  t.is(there.epochs.length, 60);
  t.is(there.measured.testPerplexity, here.measured.testPerplexity);
  t.true(jsonLines(resumed.stdout).filter((event) => event.event === 'epoch').length < 60);

  const once = await timernn([...TRAIN, '--resume'], { cwd });
  t.is(once.code, 0, once.stderr);
  t.regex(once.stdout, /test +perplexity/, 'a finished run is measured again, not trained');
  t.notRegex(once.stdout, /epoch \d+\/60 /);
});

test('a run does not go on with another test text, and unknown words are said before anything is trained', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeTiny(cwd, (recipe) => {
    delete (recipe.data as { tokens?: object }).tokens;
  });
  const first = await timernn(TRAIN, { cwd });
  t.is(first.code, 0, first.stderr);
  t.is(first.stderr, '');
  const before = await readFile(join(cwd, 'runs', 'tiny', 'results.json'));
  await writeFile(join(cwd, 'test.txt'), `${'a kraken sleeps below\n'.repeat(9)}the sea\n`);
  const other = await timernn([...TRAIN, '--resume'], { cwd });
  t.is(other.code, 1);
  t.regex(
    other.stderr,
    /^timernn train: Expected the test text to be that of the run in runs\/tiny \(\d+ tokens, SHA-256 \w{12}…\), got 48 tokens, SHA-256 \w{12}…\n$/,
  );
  t.deepEqual(await readFile(join(cwd, 'runs', 'tiny', 'results.json')), before);
  const anew = await timernn([...TRAIN, '--run', 'anew'], { cwd });
  t.is(anew.code, 0, anew.stderr);
  t.regex(anew.stderr, /^Warning: 75 % of the words of the test text are not in the vocabulary of the training text; /);
});
