/** Optimisers, schedules, held-out text and run directories as options: defaults, and everything that is refused. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { Corpus, type TrainOptions } from 'timernn';
import { native } from '#src/native.js';
import { OPTIMIZERS, resolveOptimizer } from '#src/train/optimizer-options.js';
import { resolveTrainOptions } from '#src/train/options.js';
import { resolveRun } from '#src/train/run-options.js';
import { resolveSchedule } from '#src/train/schedule-options.js';
import { refuses, untyped } from '../helpers/refused.js';
import { isCode, newModel } from '../models/helpers/models.js';

const corpus = Corpus.fromText('the cat sat on the mat\n', { unit: 'char' });
const heldOut = corpus;
const model = newModel(corpus);
const call = (options: unknown) => () => model.train(corpus, untyped(options));
const resolved = (options: TrainOptions) => resolveTrainOptions(options, 1_000_000, []);

test('every optimiser of the addon has its options, and none else', (t) => {
  t.deepEqual(
    native
      .optimizers()
      .map(({ name }) => name)
      .sort(),
    [...OPTIMIZERS].sort(),
  );
});

test('optimisers: defaults of their numbers, of the step size and of weight decay', (t) => {
  const numbers = (name: (typeof OPTIMIZERS)[number]) => resolved({ optimizer: name }).optimizer.native;
  t.deepEqual(numbers('sgd'), { name: 'sgd' });
  t.deepEqual(numbers('momentum'), { name: 'momentum', momentum: 0.9 });
  t.deepEqual(numbers('nesterov'), { name: 'nesterov', momentum: 0.9 });
  t.deepEqual(numbers('adagrad'), { name: 'adagrad', epsilon: 1e-10 });
  t.deepEqual(numbers('rmsprop'), { name: 'rmsprop', smoothing: 0.99, epsilon: 1e-8 });
  t.deepEqual(numbers('adam'), { name: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
  t.deepEqual(numbers('adamw'), { name: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 });
  t.deepEqual(numbers('asgd'), { name: 'asgd', lambda: 0, power: 0.75 });
  const rates = OPTIMIZERS.map((optimizer) => resolved({ optimizer }).learningRate(0));
  t.deepEqual(rates, [1, 1, 1, 0.01, 0.001, 0.001, 0.001, 1]);
  t.is(resolved({ optimizer: 'adam', learningRate: 3 }).learningRate(7), 3);
  t.deepEqual(resolved({ optimizer: 'adamw', weightDecay: 0 }).optimizer.native.weightDecay, undefined);
  t.is(resolved({ weightDecay: 0.5 }).optimizer.native.weightDecay, 0.5);
  t.deepEqual(resolved({ optimizer: { name: 'adam', beta1: 0.5 } }).optimizer.native.beta1, 0.5);
  t.deepEqual(
    resolved({ optimizer: untyped({ name: 'momentum', momentum: undefined }) }).optimizer.native.momentum,
    0.9,
  );
});

test('when averaging starts', (t) => {
  const from = (options: object, hasHeldOut: boolean) =>
    resolveOptimizer({ name: 'asgd', ...options }, hasHeldOut).averageFrom;
  t.deepEqual(from({}, false), { step: 0 });
  t.deepEqual(from({}, true), { patience: 5 });
  t.deepEqual(from({ patience: 2 }, true), { patience: 2 });
  t.deepEqual(from({ averageFrom: 'non-monotonic' }, true), { patience: 5 });
  t.deepEqual(from({ averageFrom: 100 }, true), { step: 100 });
  t.is(resolveOptimizer('sgd', true).averageFrom, undefined);
  t.deepEqual(resolveOptimizer({ name: 'adam', averageFrom: 'non-monotonic' }, true).averageFrom, { patience: 5 });
  t.deepEqual(resolveOptimizer({ name: 'sgd', averageFrom: 0 }, false).averageFrom, { step: 0 });
});

test('schedules, held-out text and runs: defaults', (t) => {
  t.deepEqual(resolveSchedule(undefined), { kind: 'constant' });
  t.deepEqual(resolveSchedule({ kind: 'step', factor: 0.5 }), { kind: 'step', factor: 0.5, every: 1, from: 1 });
  t.deepEqual(resolveSchedule({ kind: 'cosine' }), { kind: 'cosine', minimum: 0 });
  t.deepEqual(resolveSchedule({ kind: 'plateau', factor: 0.5 }), {
    ...{ kind: 'plateau', factor: 0.5, patience: 1, threshold: 0, restore: true, minimum: 0 },
  });
  t.deepEqual(resolved({ heldOut }).heldOut, {
    corpus: heldOut,
    streams: 1,
    keepBest: true,
    patience: Number.POSITIVE_INFINITY,
  });
  t.is(resolved({ keepBest: false }).heldOut, undefined);
  const run = { checkpointSeconds: 300, checkpointWindows: Number.POSITIVE_INFINITY, keep: 2, resume: false };
  t.deepEqual(resolveRun({ directory: 'x' }), { directory: resolve('x'), ...run });
  t.is(resolveRun({ directory: pathToFileURL(resolve('x')) })?.directory, resolve('x'));
  t.like(resolveRun({ directory: 'x', checkpointWindows: 7 }), {
    checkpointSeconds: Number.POSITIVE_INFINITY,
    checkpointWindows: 7,
  });
});

const names = 'sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw, asgd';
const asgd = (more: object) => ({ optimizer: { name: 'asgd', ...more } });
refuses('ERR_TIMERNN_OPTION', [
  ['an unknown optimiser', call({ optimizer: 'lion' }), `Expected optimizer to be one of ${names}, got "lion"`],
  ['one of Object', call({ optimizer: 'toString' }), `Expected optimizer to be one of ${names}, got "toString"`],
  ['an optimiser that is none', call({ optimizer: 7 }), `Expected optimizer to be one of ${names}, got 7`],
  ['null', call({ optimizer: null }), `Expected optimizer to be one of ${names}, got null`],
  [
    'null for a number',
    call({ optimizer: { name: 'momentum', momentum: null } }),
    'Expected optimizer.momentum to be a number of at least 0 and below 1, got null',
  ],
  [
    'patience without an average',
    call({ optimizer: { name: 'adam', patience: 3 } }),
    'Expected optimizer.patience to be left out where averageFrom is, got 3',
  ],
  [
    'averageFrom, null',
    call(asgd({ averageFrom: null })),
    'Expected optimizer.averageFrom to be an integer or "non-monotonic", got null',
  ],
  ['no name', call({ optimizer: {} }), `Expected optimizer.name to be one of ${names}, got undefined`],
  [
    'a number that the optimiser does not have',
    call({ optimizer: { name: 'adam', momentum: 0.9 } }),
    'Expected the options of optimizer adam to be among name, averageFrom, patience, beta1, beta2, epsilon, got "momentum"',
  ],
  ...([1, -0.1, Number.NaN] as const).map((bad): [string, () => unknown, string] => [
    `momentum ${bad}`,
    call({ optimizer: { name: 'momentum', momentum: bad } }),
    `Expected optimizer.momentum to be a number of at least 0 and below 1, got ${bad}`,
  ]),
  ...([0, -1, 2, Number.NaN] as const).map((bad): [string, () => unknown, string] => [
    `epsilon ${bad}`,
    call({ optimizer: { name: 'rmsprop', epsilon: bad } }),
    `Expected optimizer.epsilon to be a number from 1e-30 to 1, got ${bad}`,
  ]),
  [
    'lambda',
    call(asgd({ lambda: -1 })),
    'Expected optimizer.lambda to be a finite number of at least 0 and at most 3.4e+38, got -1',
  ],
  [
    'averageFrom, a word',
    call(asgd({ averageFrom: 'soon' })),
    'Expected optimizer.averageFrom to be an integer or "non-monotonic", got "soon"',
  ],
  [
    'averageFrom below 0',
    call(asgd({ averageFrom: -1 })),
    'Expected optimizer.averageFrom to be an integer of at least 0 and at most 9007199254740991, got -1',
  ],
  [
    'non-monotonic without held-out text',
    call(asgd({ averageFrom: 'non-monotonic' })),
    'Expected optimizer.averageFrom to be a step where there is no heldOut, got "non-monotonic"; give heldOut',
  ],
  [
    'patience beside a step',
    call({ ...asgd({ averageFrom: 7, patience: 3 }), heldOut }),
    'Expected optimizer.patience to be left out where averageFrom is a step, got 3',
  ],
  [
    'no patience',
    call({ ...asgd({ patience: 0 }), heldOut }),
    'Expected optimizer.patience to be a positive integer, got 0',
  ],
]);

const schedule = (given: unknown, more: object = {}) => call({ schedule: given, ...more });
const kinds = 'constant, step, exponential, plateau, cosine';
refuses('ERR_TIMERNN_OPTION', [
  ['a schedule that is none', schedule('cosine'), 'Expected schedule to be an object with a kind, got "cosine"'],
  ['null as one', schedule(null), 'Expected schedule to be an object with a kind, got null'],
  ['another kind', schedule({ kind: 'linear' }), `Expected schedule.kind to be one of ${kinds}, got "linear"`],
  [
    'a field of another kind',
    schedule({ kind: 'exponential', factor: 0.5, every: 2 }),
    'Expected the options of schedule exponential to be among kind, factor, got "every"',
  ],
  ...([undefined, 0, 1.5, Number.NaN] as const).map((bad): [string, () => unknown, string] => [
    `factor ${bad}`,
    schedule({ kind: 'step', factor: bad }),
    `Expected schedule.factor to be a number above 0 and at most 1, got ${bad}`,
  ]),
  [
    'every',
    schedule({ kind: 'step', factor: 0.5, every: 0 }),
    'Expected schedule.every to be a positive integer, got 0',
  ],
  [
    'threshold',
    schedule({ kind: 'plateau', factor: 0.5, threshold: 1 }, { heldOut }),
    'Expected schedule.threshold to be a number of at least 0 and below 1, got 1',
  ],
  [
    'a plateau that lowers nothing',
    schedule({ kind: 'plateau', factor: 1 }, { heldOut }),
    'Expected schedule.factor to be a number below 1 with kind plateau, got 1',
  ],
  [
    'restore',
    schedule({ kind: 'plateau', factor: 0.5, restore: 'yes' }, { heldOut }),
    'Expected schedule.restore to be true or false, got "yes"',
  ],
  [
    'a plateau without held-out text',
    schedule({ kind: 'plateau', factor: 0.5 }),
    'Expected schedule.kind to be another than "plateau" where there is no heldOut, got "plateau"; give heldOut',
  ],
  [
    'a plateau that goes back, with an average of Adam',
    schedule({ kind: 'plateau', factor: 0.5 }, { heldOut, optimizer: { name: 'adam', averageFrom: 9 } }),
    'Expected schedule.restore to be false where the optimizer averages, got true',
  ],
  [
    'a plateau that goes back, with an average',
    schedule({ kind: 'plateau', factor: 0.5 }, { heldOut, optimizer: 'asgd' }),
    'Expected schedule.restore to be false where the optimizer averages, got true',
  ],
  [
    'beside a function',
    schedule({ kind: 'constant' }, { learningRate: () => 1 }),
    'Expected schedule to be left out where learningRate is a function, got "constant"',
  ],
  [
    'a cosine that rises',
    schedule({ kind: 'cosine', minimum: 2 }),
    'Expected schedule.minimum to be at most the learningRate of 1, got 2',
  ],
]);

const finite = 'to be a finite number of at least 0';
refuses('ERR_TIMERNN_OPTION', [
  ['warmup', call({ warmup: -1 }), 'Expected warmup to be an integer of at least 0, got -1'],
  ['clipValue', call({ clipValue: Number.NaN }), `Expected clipValue ${finite}, got NaN`],
  ...['weightDecay', 'activationPenalty', 'temporalPenalty'].map((name): [string, () => unknown, string] => [
    name,
    call({ [name]: -1 }),
    `Expected ${name} ${finite} and at most 3.4e+38, got -1`,
  ]),
  ['randomWindows', call({ randomWindows: 1 }), 'Expected randomWindows to be true or false, got 1'],
  [
    'short random windows',
    call({ randomWindows: true, window: 4 }),
    'Expected window to be at least 5 with randomWindows, got 4',
  ],
  ['seed', call({ seed: -1 }), 'Expected seed to be an integer of at least 0 and at most 9007199254740991, got -1'],
  ['heldOut', call({ heldOut: 'text' }), 'Expected heldOut to be a Corpus, got "text"'],
  [
    'heldOut to come',
    call({ heldOut: Promise.resolve(corpus) }),
    'Expected heldOut to be a Corpus, got Promise; did you forget await?',
  ],
  ['keepBest', call({ heldOut, keepBest: 1 }), 'Expected keepBest to be true or false, got 1'],
  ['patience', call({ heldOut, patience: 0 }), 'Expected patience to be a positive integer, got 0'],
  [
    'keepBest alone',
    call({ keepBest: true }),
    'Expected keepBest to be left out or false where there is no heldOut, got true',
  ],
  ['patience alone', call({ patience: 3 }), 'Expected patience to be left out where there is no heldOut, got 3'],
  [
    'streams alone',
    call({ heldOutStreams: 3 }),
    'Expected heldOutStreams to be left out where there is no heldOut, got 3',
  ],
  ['onProgress', call({ onProgress: {} }), 'Expected onProgress to be a function, got Object'],
]);

const run = (given: unknown) => call({ run: given });
refuses('ERR_TIMERNN_OPTION', [
  ['a run that is none', run('runs/1'), 'Expected the options of run to be an object, got "runs/1"'],
  ['no directory', run({}), 'Expected run.directory to be the name of a directory, got undefined'],
  [
    'a misspelt field',
    run({ directory: 'x', checkpoints: 3 }),
    'Expected the options of run to be among directory, checkpointSeconds, checkpointWindows, keep, resume, got "checkpoints"',
  ],
  [
    'seconds and windows',
    run({ directory: 'x', checkpointSeconds: 3, checkpointWindows: 3 }),
    'Expected run.checkpointSeconds to be left out where checkpointWindows is given, got 3',
  ],
  [
    'no seconds',
    run({ directory: 'x', checkpointSeconds: 0 }),
    'Expected run.checkpointSeconds to be a finite number above 0, got 0',
  ],
  [
    'no windows',
    run({ directory: 'x', checkpointWindows: 0 }),
    'Expected run.checkpointWindows to be a positive integer, got 0',
  ],
  ['nothing kept', run({ directory: 'x', keep: 0 }), 'Expected run.keep to be a positive integer, got 0'],
  ['resume', run({ directory: 'x', resume: 'yes' }), 'Expected run.resume to be true or false, got "yes"'],
]);

test('held-out text: of the model’s vocabulary, and long enough', (t) => {
  const other = Corpus.fromText('another vocabulary', { unit: 'char' });
  t.throws(call({ heldOut: other }), isCode('ERR_TIMERNN_VOCABULARY', /^Expected heldOut with the model's vocabulary/));
  const one = Corpus.fromTokens(Uint32Array.of(1), { vocabulary: corpus.vocabulary });
  t.throws(call({ heldOut: one }), isCode('ERR_TIMERNN_CORPUS', /at least 2 tokens to predict one, got 1$/));
});
