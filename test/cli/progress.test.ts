/** The progress line and the reporters, fed with made-up progress. */
import test from 'ava';
import fc from 'fast-check';
import { ansi, bytes, clock, compact, perplexity, plain, shellQuote } from '#src/cli/format.js';
import { History } from '#src/cli/history.js';
import { Interrupted } from '#src/cli/interrupt.js';
import { abilities } from '#src/cli/output.js';
import { bar, liveLine, logLine, shareDone } from '#src/cli/progress-line.js';
import { block, both, JsonReporter, TextReporter } from '#src/cli/reporters.js';
import type { RunFacts } from '#src/cli/run-facts.js';
import type { TrainProgress } from '#src/train/types.js';

const progress = (change: Partial<TrainProgress> = {}): TrainProgress => ({
  epoch: 1,
  epochs: 4,
  window: 50,
  windows: 100,
  epochEnd: false,
  tokens: 150_000,
  loss: 1.7,
  perplexity: Math.exp(1.7),
  epochLoss: 1.8,
  tokensPerSecond: 50_000,
  gradientNorm: 0.4,
  learningRate: 0.5,
  ...change,
});

const facts: RunFacts = {
  unit: 'char',
  vocabulary: 90,
  parameters: 340_000,
  trainTokens: 1_000_000,
  heldOutTokens: 50_000,
  layers: [{ cell: 'rnn', size: 512 }],
  embedding: 64,
  streams: 32,
  window: 64,
  epochs: 4,
  workers: 2,
  optimizer: 'adam, averaged after update 200',
  schedule: 'cosine',
  out: 'model.safetensors',
  replaces: false,
  prompt: 'Call me ',
};

class FakeSink {
  text = '';
  isTTY: boolean;
  columns: number;
  constructor(isTTY: boolean, columns = 80) {
    this.isTTY = isTTY;
    this.columns = columns;
  }
  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

test('share done counts epochs and windows', (t) => {
  t.is(shareDone(progress()), 1.5 / 4);
  t.is(shareDone(progress({ epoch: 3, window: 100 })), 1);
  t.is(shareDone(progress({ epoch: 0, window: 0 })), 0);
});

test('the bar is as wide as asked and filled to its share', (t) => {
  t.is(bar(0, 10), '──────────');
  t.is(bar(0.5, 10), '━━━━━─────');
  t.is(bar(1, 10), '━━━━━━━━━━');
  t.is(bar(7, 4), '━━━━');
});

test('the live line has bar, epoch, loss, perplexity, speed and time left', (t) => {
  const line = liveLine(progress(), { columns: 120, paint: plain, secondsLeft: 65 });
  t.regex(line, /^run ━+─+ {2}37% {2}epoch 2\/4 {2}loss 1\.700 {2}perplexity 5\.47 {2}50\.0k tokens\/s {2}1:05 left$/);
});

test('the live line never fills the width of the terminal, and keeps the loss longest', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.double({ min: 0, max: 20, noNaN: true }), (columns, loss) => {
      const line = liveLine(progress({ loss, perplexity: Math.exp(loss) }), {
        columns,
        paint: plain,
        secondsLeft: 3700,
      });
      return line.length < Math.max(columns, 1);
    }),
  );
  t.regex(liveLine(progress(), { columns: 40, paint: plain, secondsLeft: 65 }), /loss 1\.700/);
  t.notRegex(liveLine(progress(), { columns: 40, paint: plain, secondsLeft: 65 }), /left/);
});

test('colours change nothing but colours', (t) => {
  const options = { columns: 100, secondsLeft: 65 };
  const colored = liveLine(progress(), { ...options, paint: ansi });
  t.not(colored, liveLine(progress(), { ...options, paint: plain }));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with one
  t.is(colored.replace(/\u001b\[\d+m/g, ''), liveLine(progress(), { ...options, paint: plain }));
});

test('abilities: NO_COLOR, FORCE_COLOR, dumb terminals and files', (t) => {
  const terminal = { write: () => true, isTTY: true, columns: 100 };
  const file = { write: () => true };
  const look = (sink: typeof terminal | typeof file, env: NodeJS.ProcessEnv) => {
    const { live, columns, paint } = abilities(sink, env);
    return [live, columns, paint('bold', 'x') !== 'x'];
  };
  t.deepEqual(look(terminal, {}), [true, 100, true]);
  t.deepEqual(look(terminal, { NO_COLOR: '1' }), [true, 100, false]);
  t.deepEqual(look(terminal, { TERM: 'dumb' }), [false, 100, false]);
  t.deepEqual(look(terminal, { FORCE_COLOR: '0' }), [true, 100, false]);
  t.deepEqual(look(file, {}), [false, 80, false]);
  t.deepEqual(look(file, { FORCE_COLOR: '1' }), [false, 80, true]);
  t.deepEqual(look(file, { FORCE_COLOR: '1', NO_COLOR: '1' }), [false, 80, false]);
});

test('on a terminal the progress line is rewritten in place and lines that stay clear it first', (t) => {
  const sink = new FakeSink(true, 100);
  const reporter = new TextReporter(sink, () => abilities(sink, { NO_COLOR: '1' }));
  reporter.progress(progress(), 65);
  reporter.progress(progress({ window: 60 }), 60);
  t.is(sink.text.split('\r\u001b[K').length, 3);
  t.notRegex(sink.text, /\n/);
  sink.text = '';
  reporter.line('stays');
  t.is(sink.text, '\r\u001b[Kstays\n');
});

test('in a file progress comes every few seconds at most, without control characters', (t) => {
  const sink = new FakeSink(false);
  let now = 0;
  const reporter = new TextReporter(
    sink,
    () => abilities(sink, {}),
    () => now,
    5000,
  );
  const lines = () => sink.text.split('\n').length - 1;
  const until = (end: number) => {
    for (; now < end; now += 250) reporter.progress(progress(), 65);
  };
  until(5000);
  t.is(lines(), 0, 'the first windows say nothing yet');
  until(20_250);
  t.is(lines(), 4);
  const hours = 3_600_000;
  until(2 * hours);
  const early = lines();
  until(3 * hours);
  t.is(lines() - early, 60, 'a line a minute in the end');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be there
  t.notRegex(sink.text, /[\r\u001b]/);
});

test('the end of an epoch says both perplexities, bits a character, and shows the sample behind its prompt', (t) => {
  const sink = new FakeSink(false);
  const reporter = new TextReporter(sink, () => abilities(sink, {}));
  reporter.start(facts);
  const epoch = {
    epoch: 2,
    tokens: 2e6,
    loss: 1.7,
    heldOutLoss: 1.6,
    learningRate: 1,
    tokensPerSecond: 5e4,
    seconds: 20,
  };
  reporter.epoch({ ...epoch, sample: 'Ishmael.\nSome years \u001b[31mago' }, 4);
  t.regex(sink.text, /^epoch 2\/4 {2}perplexity 5\.47, held out 4\.95 \(2\.31 bits\/char\) {2}50\.0k tok\/s$/m);
  t.regex(sink.text, / {2}│ Call me Ishmael\.\n {2}│ Some years {2}\[31mago\n/);
});

test('the end of an epoch fits into 80 columns', (t) => {
  const sink = new FakeSink(false);
  const reporter = new TextReporter(sink, () => abilities(sink, {}));
  reporter.start({ ...facts, unit: 'word' });
  const worst = { loss: Math.log(98_765), heldOutLoss: Math.log(98_765), tokensPerSecond: 999_949, sample: '' };
  sink.text = '';
  reporter.epoch({ epoch: 99, tokens: 2e9, learningRate: 1, seconds: 20_000, ...worst }, 99);
  t.true(sink.text.split('\n')[0]!.length < 80, sink.text);
});

test('the start says where the model goes, and that a file will be replaced', (t) => {
  for (const [replaces, line] of [
    [false, /^saves to +model\.safetensors$/m],
    [true, /^saves to +model\.safetensors \(replaces the file that is there\)$/m],
  ] as const) {
    const sink = new FakeSink(false);
    new TextReporter(sink, () => abilities(sink, {})).start({ ...facts, replaces });
    t.regex(sink.text, line);
  }
});

test('a block of text is broken at spaces and fits', (t) => {
  fc.assert(
    fc.property(fc.string({ maxLength: 400 }), fc.integer({ min: 30, max: 120 }), (text, columns) =>
      block(text, columns, '  │ ').every((line) => line.length <= columns && line.startsWith('  │ ')),
    ),
  );
  t.deepEqual(block('a'.repeat(30), 24, ''), ['a'.repeat(23), 'a'.repeat(7)]);
});

test('JSON lines parse one by one, in order, and NaN becomes null', (t) => {
  const sink = new FakeSink(false);
  const reporter = both([new JsonReporter(sink)]);
  reporter.start(facts);
  reporter.progress(progress({ gradientNorm: Number.NaN }), undefined);
  reporter.busy('held-out text…');
  reporter.epoch(
    {
      epoch: 1,
      tokens: 5,
      loss: 1,
      heldOutLoss: Math.LN2,
      learningRate: 1,
      tokensPerSecond: 5,
      seconds: 1,
      sample: 'a\nb',
    },
    4,
  );
  reporter.saved('model', 'm.safetensors');
  reporter.interrupted(new Interrupted('SIGTERM'), 'npx timernn train x');
  reporter.done({ seconds: 3, done: 4, epochs: 4 });
  const events = sink.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.deepEqual(
    events.map((event) => event.event),
    ['start', 'progress', 'epoch', 'saved', 'interrupted', 'done'],
  );
  t.is(events[1]?.gradientNorm, null);
  t.is(events[1]?.epoch, 2, 'counted from 1, as in the other events');
  t.deepEqual(events[2]?.heldOut, { loss: Math.LN2, perplexity: 2, bitsPerToken: 1, unit: 'char' });
  t.is(events[2]?.sample, 'a\nb');
});

test('plain log lines carry the same figures', (t) => {
  t.is(logLine(progress(), undefined), 'run 37%  epoch 2/4  loss 1.700  perplexity 5.47  50.0k tokens/s');
});

test('history: training seconds from the speeds, epochs closed with their own figures', (t) => {
  const history = new History();
  t.is(history.secondsLeft(), undefined);
  history.add(progress({ epoch: 0, window: 50, tokens: 100_000, tokensPerSecond: 50_000 }));
  history.add(progress({ epoch: 0, window: 100, tokens: 200_000, tokensPerSecond: 100_000, epochEnd: true }));
  t.is(history.seconds, 3);
  t.is(history.epochsDone, 1);
  const epoch = history.endEpoch({ heldOutLoss: 1.5 });
  t.like(epoch, { epoch: 1, tokens: 200_000, seconds: 3, heldOutLoss: 1.5, loss: 1.8 });
  t.is(Math.round(epoch.tokensPerSecond), 66_667);
  history.add(progress({ epoch: 1, window: 100, tokens: 400_000, tokensPerSecond: 100_000, epochEnd: true }));
  t.like(history.endEpoch({}), { epoch: 2, seconds: 2, tokensPerSecond: 100_000 });
});

test('time left follows the speed of late, not that of the whole run', (t) => {
  const history = new History();
  // A tenth of the run at 100 tokens/s for 1000 s, then a second tenth at half that speed.
  history.add(progress({ epoch: 0, epochs: 1, window: 10, tokens: 100_000, tokensPerSecond: 100 }));
  t.is(Math.round(history.secondsLeft() ?? 0), 9000);
  history.add(progress({ epoch: 0, epochs: 1, window: 20, tokens: 200_000, tokensPerSecond: 50 }));
  t.is(Math.round(history.secondsLeft() ?? 0), 16_000);
  history.add(progress({ epoch: 0, epochs: 1, window: 100, tokens: 1_000_000, tokensPerSecond: 50 }));
  t.is(history.secondsLeft(), 0);
});

test('numbers and words as people read them', (t) => {
  t.deepEqual([0.44, 9.97, 65, 3725, Number.NaN].map(clock), ['0.4 s', '10 s', '1:05', '1:02:05', '–']);
  t.deepEqual([950, 52_134, 3_400_000, 2e9].map(compact), ['950', '52.1k', '3.40M', '2.00G']);
  t.deepEqual([340, 1400, 3_400_000].map(bytes), ['340 B', '1.4 kB', '3.4 MB']);
  t.deepEqual([5.4321, 123.45, 12_345.6, Number.POSITIVE_INFINITY].map(perplexity), ['5.43', '123.5', '12,346', '∞']);
  t.deepEqual(['book.txt', "it's", 'a b', '$(x)', ''].map(shellQuote), [
    'book.txt',
    "'it'\\''s'",
    "'a b'",
    "'$(x)'",
    "''",
  ]);
});
