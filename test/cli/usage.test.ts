/** Help, version, and mistakes in the arguments: what is said, where, and with which exit code. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { root, timernn } from './helpers/cli.js';

const COMMANDS = [
  'train',
  'recipes',
  'evaluate',
  'generate',
  'score',
  'serve',
  'inspect',
  'export',
  'import',
  'doctor',
  'build',
];
// Where no addon can be: shows that a command works without it.
const WITHOUT_ADDON = { TIMERNN_NATIVE: '/nonexistent/timernn.node' };

for (const command of COMMANDS) {
  test(`${command} --help shows usage, options and examples, without the addon`, async (t) => {
    const { code, stdout, stderr } = await timernn([command, '--help'], { env: WITHOUT_ADDON });
    t.is(code, 0);
    t.is(stderr, '');
    t.regex(stdout, new RegExp(`^Usage: timernn ${command} `));
    t.regex(stdout, /\nExamples:\n {2}\$ timernn /);
    t.regex(stdout, /--help/);
  });
}

test('--help lists every command; so does no argument at all, as a mistake', async (t) => {
  const help = await timernn(['--help'], { env: WITHOUT_ADDON });
  t.is(help.code, 0);
  for (const command of COMMANDS) t.regex(help.stdout, new RegExp(`^ {2}${command}\\b`, 'm'));
  const nothing = await timernn([]);
  t.is(nothing.code, 2);
  t.is(nothing.stdout, '');
  t.regex(nothing.stderr, /^Usage: timernn/);
});

test('--version is the version of the package, without the addon', async (t) => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const { code, stdout } = await timernn(['--version'], { env: WITHOUT_ADDON });
  t.is(code, 0);
  t.is(stdout, `${version}\n`);
});

const MISTAKES: [args: string[], says: RegExp][] = [
  [['trian'], /unknown command 'trian' \(Did you mean train\?\)/],
  [['train'], /missing required argument 'file'/],
  [['train', 'x', '--stream', '3'], /unknown option '--stream'/],
  [['train', 'x', '--streams', 'abc'], /--streams: expected a positive integer, got "abc"/],
  [['train', 'x', '--streams', '0'], /--streams: expected a positive integer, got "0"/],
  [['train', 'x', '--streams', '1.5'], /--streams: expected a positive integer, got "1.5"/],
  [['train', 'x', '--window', '1e3'], /--window: expected a positive integer, got "1e3"/],
  [['train', 'x', '--epochs', ''], /--epochs: expected a positive integer, got ""/],
  [['train', 'x', '--seed', '-1'], /--seed: expected an integer of at least 0, got "-1"/],
  [['train', 'x', '--seed', '99999999999999999999'], /--seed: expected an integer of at least 0/],
  [['train', 'x', '--learning-rate', '0'], /--learning-rate: expected a number above 0, got "0"/],
  [['train', 'x', '--learning-rate', 'Infinity'], /--learning-rate: expected a number above 0, got "Infinity"/],
  [['train', 'x', '--decay', '1.1'], /--decay: expected a number above 0 and at most 1, got "1.1"/],
  [['train', 'x', '--schedule', 'linear'], /--schedule: expected one of exponential, plateau, cosine, constant, got/],
  [
    ['train', 'x', '--schedule', 'plateau', '--held-out', '0'],
    /--schedule: expected some held-out text for plateau, got --held-out 0/,
  ],
  [
    ['train', 'x', '--schedule', 'cosine', '--decay', '0.5'],
    /--decay: expected it together with --schedule exponential or plateau, got --schedule cosine/,
  ],
  [
    ['train', 'x', '--schedule', 'plateau', '--decay', '1'],
    /--decay: expected a number below 1 with --schedule plateau, got 1/,
  ],
  [['train', 'x', '--warmup', '2147483648'], /--warmup: expected an integer from 0 to 2147483647, got "2147483648"/],
  [['train', 'x', '--warmup', '-1'], /--warmup: expected an integer from 0 to 2147483647, got "-1"/],
  [['train', 'x', '--clip', '-5'], /--clip: expected a number of at least 0, got "-5"/],
  [['train', 'x', '--held-out', '1'], /--held-out: expected a number of at least 0 and below 1, got "1"/],
  [['train', 'x', '--unit', 'syllable'], /--unit: expected one of char, word, got "syllable"/],
  [['train', 'x', '--cell', 'elman'], /--cell: expected one of rnn, lstm, gru, got "elman"/],
  [['train', 'x', '--vocabulary-size', '1'], /--vocabulary-size: expected an integer of at least 2, got "1"/],
  [['train', 'x', '--separate-punctuation'], /--separate-punctuation: expected it together with --unit word/],
  [['train', 'x', '--streams', '4', '--shards', '5'], /--shards: expected at most --streams \(4\), got "5"/],
  [['train', 'x', '--from', 'm', '--size', '3'], /--size: the model of --from has decided it/],
  [['train', 'x', '--from', 'm', '--tied'], /--tied: the model of --from has decided it/],
  [['train', 'x', '--dropout', '1'], /--dropout: expected a number of at least 0 and below 1, got "1"/],
  [
    ['train', 'x', '--locked-dropout'],
    /--locked-dropout: expected it together with --dropout or --input-dropout, got neither/,
  ],
  [['train', 'x', '--optimizer', 'sgdd'], /--optimizer: expected one of sgd, momentum, .*, got "sgdd"/],
  [['train', 'x', '--clip-value', '-1'], /--clip-value: expected a number of at least 0, got "-1"/],
  [['train', 'x', '--patience', '2', '--held-out', '0'], /--patience: expected some held-out text, got --held-out 0/],
  [['train', 'x', '--keep-best', '--held-out', '0'], /--keep-best: expected some held-out text/],
  [['train', 'x', '--resume'], /--resume: expected it together with --run, got it alone/],
  [['train', 'x', '--checkpoint-seconds', '9'], /--checkpoint-seconds: expected it together with --run, got it alone/],
  [['train', 'x', '--checkpoint-windows', '9'], /--checkpoint-windows: expected it together with --run, got it alone/],
  [['train', 'x', '--keep-checkpoints', '0'], /--keep-checkpoints: expected a positive integer, got "0"/],
  [
    ['train', 'x', '--run', 'r', '--checkpoint-windows', '9', '--checkpoint-seconds', '9'],
    /--checkpoint-windows: expected it instead of --checkpoint-seconds, got both/,
  ],
  [
    ['train', 'x', '--average-from', 'soon'],
    /--average-from: expected an integer of at least 0 or non-monotonic, got "soon"/,
  ],
  [
    ['train', 'x', '--average-from', '-1'],
    /--average-from: expected an integer of at least 0 or non-monotonic, got "-1"/,
  ],
  [
    ['train', 'x', '--average-from', 'non-monotonic', '--held-out', '0'],
    /--average-from: expected a number of updates where --held-out is 0, got non-monotonic/,
  ],
  [['train', 'x', 'y'], /too many arguments/],
  [['generate', 'm', '--temperature', 'hot'], /--temperature: expected a number of at least 0, got "hot"/],
  [['generate', 'm', '--top-k', '-3'], /--top-k: expected an integer of at least 0, got "-3"/],
  [['score', 'm', 'text', '--file', 'f'], /--file: expected either texts as arguments or a file, got both/],
  [['evaluate', 'm', 'x', '--dynamic-window', '5'], /--dynamic-window: expected it together with --dynamic/],
  [['evaluate', 'm', 'x', '--dynamic', '--streams', '2'], /--streams: expected 1 with --dynamic, got "2"/],
  [['serve', 'm', '--max-sessions', '0'], /--max-sessions: expected a positive integer, got "0"/],
  [['serve', 'm', '--rate-limit', 'x'], /--rate-limit: expected a number of at least 0, got "x"/],
  [['serve', 'm', '--host', '0.0.0.0'], /--host: expected a loopback address or a token/],
  [['evaluate', 'm'], /missing required argument 'file'/],
  [['export', 'm', 'x'], /required option '--format <name>' not specified/],
  [['export', '--format', 'gguf', 'm', 'x'], /--format: expected one of pytorch, onnx, got "gguf"/],
  [['import', 'm'], /missing required argument 'out'/],
  [['import', 'm', 'x', '--unit', 'word'], /--unit: expected it together with --vocabulary/],
  [['import', 'm', 'x', '--vocabulary', 'v', '--lowercase'], /--lowercase: expected it together with --unit/],
  [['import', 'm', 'x', '--vocabulary', 'v', '--ids'], /--ids: expected it without --vocabulary/],
  [['inspect'], /missing required argument 'model'/],
];

test('a mistake in the arguments is one line on stderr that names the option, and exit code 2', async (t) => {
  for (const [args, says] of MISTAKES) {
    const { code, stdout, stderr } = await timernn(args, { env: WITHOUT_ADDON });
    t.is(code, 2, args.join(' '));
    t.is(stdout, '', args.join(' '));
    t.regex(stderr, says);
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
    t.regex(stderr, /\(see timernn.* --help\)\n$/);
  }
});

test('the optimisers of --optimizer are those that the addon has', async (t) => {
  const { stderr } = await timernn(['train', 'x', '--optimizer', 'none']);
  const names = /expected one of (.*), got "none"/.exec(stderr)![1]!.split(', ');
  const { native } = await import('#src/native.js');
  const kernels = native.optimizers().map(({ name }) => name);
  t.deepEqual([...names].sort(), kernels.sort());
});

test('a run that fails is one line on stderr and exit code 1; --debug and DEBUG add the stack', async (t) => {
  const plain = await timernn(['inspect', 'no-such-file.safetensors']);
  t.is(plain.code, 1);
  t.is(plain.stdout, '');
  t.is(plain.stderr.trimEnd().split('\n').length, 1, plain.stderr);
  t.regex(plain.stderr, /^timernn inspect: .*no-such-file\.safetensors/);
  for (const debug of [
    await timernn(['inspect', 'no-such-file.safetensors', '--debug']),
    await timernn(['inspect', 'no-such-file.safetensors'], { env: { DEBUG: '1' } }),
  ]) {
    t.is(debug.code, 1);
    t.regex(debug.stderr, /\n {4}at /);
  }
});

test('a missing addon is explained, with what to run', async (t) => {
  const { code, stdout, stderr } = await timernn(['generate', 'm.safetensors'], { env: WITHOUT_ADDON });
  t.is(code, 1);
  t.is(stdout, '');
  t.regex(stderr, /^timernn generate: Could not load the native part of timernn/);
  t.notRegex(stderr, /\n {4}at /);
});
