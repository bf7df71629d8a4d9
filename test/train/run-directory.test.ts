/** Directories that a run cannot go on from, or be recorded in: refused by name, and nothing in them is lost. */
import { spawnSync } from 'node:child_process';
import * as promises from 'node:fs/promises';
import { access, appendFile, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Corpus, type TrainOptions } from 'timernn';
import type { FileSystem } from '#src/checkpoint/atomic-write.js';
import { readSafetensors, type TensorInput, writeSafetensors } from '#src/checkpoint/safetensors.js';
import { digest, folderOf, isCode, newModel } from '../models/helpers/models.js';
import {
  begun,
  checkpointsOf,
  corpus,
  goOn,
  metricsOf,
  newest,
  record,
  SHORT,
  straight,
  text,
  warningsOf,
} from './helpers/recorded.js';
import { newTarget, trainWith } from './helpers/target.js';

const options = SHORT;

test('a directory that holds a run is refused, unless it is to go on', async (t) => {
  const directory = await begun(t);
  const before = await checkpointsOf(directory);
  await t.throwsAsync(
    record(newModel(corpus), text, { ...options, run: { directory } }),
    isCode('ERR_TIMERNN_OPTION', /^Expected run\.directory to hold no run, or run\.resume to be true, got a run in /),
  );
  t.deepEqual(await checkpointsOf(directory), before);
  t.deepEqual((await readdir(directory)).sort(), ['best.safetensors', 'checkpoints', 'metrics.jsonl', 'run.json']);
});

const changes: [what: string, more: TrainOptions, message: RegExp][] = [
  [
    'streams',
    { streams: 5 },
    /^Expected streams to be as in the run that goes on in .*, 4, got 5; put it back, or choose a new directory$/,
  ],
  ['window', { window: 17 }, /^Expected window .*, 16, got 17; put it back, or choose a new directory$/],
  ['shards', { shards: 4 }, /^Expected shards .*, 2, got 4; put it back, or choose a new directory$/],
  [
    'learningRate',
    { learningRate: 0.4 },
    /^Expected learningRate .*, 0.5, got 0.4; put it back, or choose a new directory$/,
  ],
  [
    'learningRate, a function',
    { learningRate: () => 0.5 },
    /^Expected learningRate .*, 0.5, got "a function"; put it back, or choose a new directory$/,
  ],
  [
    'schedule',
    { schedule: { kind: 'exponential', factor: 0.5 } },
    /^Expected schedule\.kind .*, "constant", got "exponential";/,
  ],
  ['warmup', { warmup: 3 }, /^Expected warmup .*, 0, got 3; put it back, or choose a new directory$/],
  [
    'optimizer',
    { optimizer: 'momentum' },
    /^Expected optimizer\.name .*, "sgd", got "momentum"; put it back, or choose a new directory$/,
  ],
  [
    'weightDecay',
    { weightDecay: 0.1 },
    /^Expected weightDecay .*, 0, got 0.1; put it back, or choose a new directory$/,
  ],
  ['clip', { clip: 1 }, /^Expected clip .*, 0.5, got 1; put it back, or choose a new directory$/],
  ['clipValue', { clipValue: 1 }, /^Expected clipValue /],
  ['activationPenalty', { activationPenalty: 1 }, /^Expected activationPenalty /],
  ['temporalPenalty', { temporalPenalty: 1 }, /^Expected temporalPenalty /],
  [
    'randomWindows',
    { randomWindows: true },
    /^Expected randomWindows .*, false, got true; put it back, or choose a new directory$/,
  ],
  ['seed', { seed: 2 }, /^Expected seed .*, 1, got 2; put it back, or choose a new directory$/],
  [
    'heldOutStreams',
    { heldOutStreams: 2 },
    /^Expected heldOutStreams .*, 1, got 2; put it back, or choose a new directory$/,
  ],
  ['keepBest', { keepBest: false }, /^Expected keepBest .*, true, got false; put it back, or choose a new directory$/],
  ['patience', { patience: 2 }, /^Expected patience .*, "none", got 2; put it back, or choose a new directory$/],
  ['fewer epochs', { epochs: 2 }, /^Expected epochs .*, 3, got 2; put it back, or choose a new directory$/],
  [
    'another held-out text',
    { heldOut: text },
    /^Expected heldOut .*, 600 tokens with SHA-256 .*, got 5400 tokens with SHA-256 [0-9a-f]{12}: the text or its split differs;/,
  ],
];

test('every option that determines the result must be that of the run', async (t) => {
  const directory = await begun(t);
  const before = await readFile(join(directory, 'run.json'), 'utf8');
  for (const [what, more, message] of changes) {
    await t.throwsAsync(goOn(directory, more), isCode('ERR_TIMERNN_OPTION', message), what);
  }
  const { heldOut: _, ...without } = options;
  const run = { directory, resume: true };
  await t.throwsAsync(
    record(newModel(corpus), text, { ...without, run }),
    isCode('ERR_TIMERNN_OPTION', /^Expected heldOut .*, got none: the text or its split differs; /),
  );
  const other = Corpus.fromTokens(text.tokens.slice().reverse(), { vocabulary: corpus.vocabulary });
  await t.throwsAsync(
    record(newModel(corpus), other, { ...options, run }),
    isCode('ERR_TIMERNN_OPTION', /^Expected corpus /),
  );
  await t.throwsAsync(
    goOn(directory, {}, newModel(corpus, { sizes: [25] })),
    isCode('ERR_TIMERNN_OPTION', /^Expected the model's spec\.layers\[0\]\.size .*, 24, got 25; put it back/),
  );
  t.is(await readFile(join(directory, 'run.json'), 'utf8'), before);
  const model = newModel(corpus);
  const free = { workers: 1, reportEvery: 50, onProgress: () => {} };
  t.true(await goOn(directory, free, model), 'what does not determine it may differ');
  t.is(await digest(model), await straight());
});

test('steps laid out over all epochs: not even more of them', async (t) => {
  const directory = join(await folderOf(t), 'run');
  const cosine = { ...options, schedule: { kind: 'cosine' } } as const;
  await record(newModel(corpus), text, { ...cosine, run: { directory } }, () => true);
  await t.throwsAsync(
    goOn(directory, { ...cosine, epochs: 4 }),
    isCode('ERR_TIMERNN_OPTION', /^Expected epochs .*, 3, got 4; put it back/),
  );
  await t.notThrowsAsync(goOn(directory, cosine));
});

test('a directory that has no run yet starts anew, also with resume', async (t) => {
  const directory = join(await folderOf(t), 'a', 'b');
  const model = newModel(corpus);
  t.true(await goOn(directory, {}, model));
  t.is(await digest(model), await straight());
});

test('a truncated checkpoint: the one before it, a warning, and the same result', async (t) => {
  const directory = await begun(t);
  const { path } = await newest(directory);
  await truncate(path, 3000);
  const model = newModel(corpus);
  const warnings = await warningsOf(directory, () => goOn(directory, {}, model));
  t.deepEqual(
    warnings.map(({ code }) => code),
    ['TIMERNN_CHECKPOINT_DAMAGED'],
  );
  t.regex(warnings[0]!.message, /since a newer checkpoint is damaged: .*0000000096\.safetensors/);
  t.is(await digest(model), await straight());
  t.deepEqual(
    (await metricsOf(directory)).map(({ epoch }) => epoch),
    [1, 2, 3],
  );
  t.true((await checkpointsOf(directory)).includes('0000000096.safetensors.damaged'));
});

test('no checkpoint that can be read: refused, and all of them stay', async (t) => {
  const directory = await begun(t);
  const names = await checkpointsOf(directory);
  for (const name of names) await truncate(join(directory, 'checkpoints', name), 100);
  await t.throwsAsync(goOn(directory), isCode('ERR_TIMERNN_FORMAT', /0000000096\.safetensors/));
  t.deepEqual(await checkpointsOf(directory), names);
});

type Edit = (tensors: Map<string, TensorInput>, metadata: Map<string, string>) => void;
const edits: [what: string, edit: Edit, message: RegExp][] = [
  [
    'another format',
    (_, m) => m.set('format', 'timernn.model'),
    /the format timernn\.checkpoint, got "timernn\.model"$/,
  ],
  ['a later version', (_, m) => m.set('version', '2'), /the format version 1, got "2"$/],
  ['no state', (_, m) => m.delete('state'), /JSON in its metadata entry "state", got undefined$/],
  ['a state that is no object', (_, m) => m.set('state', '[5]'), /the state of a run, got \[5\]$/],
  [
    'a state with a field more',
    (_, m) => m.set('state', JSON.stringify({ ...JSON.parse(m.get('state')!), later: 1 })),
    /the state of a run, got a field "later"$/,
  ],
  ['a state that is none', (_, m) => m.set('state', '{"epoch":-1}'), /the state of a run, got epoch -1$/],
  [
    'a window beyond the epoch',
    (_, m) => m.set('state', JSON.stringify({ ...JSON.parse(m.get('state')!), window: 86, done: 86 })),
    /at most 85 windows of an epoch, got window 86/,
  ],
  [
    'an average that the run does not take',
    (_, m) => m.set('state', JSON.stringify({ ...JSON.parse(m.get('state')!), averageFrom: 0 })),
    /to have no average, got one after update 0$/,
  ],
  [
    'another run',
    (_, m) => m.set('identity', m.get('identity')!.replace('"seed":1', '"seed":2')),
    /a checkpoint of this run, got one of another run \(other options\)$/,
  ],
  ['a tensor less', (all) => all.delete('states.1'), /the tensor states\.1, got none of that name$/],
  ['no best parameters', (all) => all.delete('best.output.b'), /the tensor best\.output\.b, got none/],
  [
    'a tensor more',
    (all) => all.set('x', { name: 'x', shape: [1], data: new Float32Array(1) }),
    /only tensors of its run, got "x"$/,
  ],
  [
    'another shape',
    (all) => all.set('states.0', { name: 'states.0', shape: [1], data: new Float32Array(1) }),
    /states\.0 as F32 \[48\], got F32 \[1\]$/,
  ],
  [
    'numbers that are none',
    (all) => all.get('params.output.b')!.data.fill(Number.NaN as never),
    /finite numbers in params\.output\.b, got NaN at index 0$/,
  ],
];
test('checkpoints that are whole but wrong', async (t) => {
  const directory = await begun(t, 1);
  const { path } = await newest(directory);
  const bytes = await readFile(path);
  for (const [what, edit, message] of edits) {
    await writeFile(path, bytes);
    const { tensors, metadata } = await readSafetensors(path);
    const all = new Map([...tensors].map(([name, { shape, data }]) => [name, { name, shape, data } as TensorInput]));
    edit(all, metadata);
    await writeSafetensors(path, [...all.values()], metadata);
    await t.throwsAsync(goOn(directory), isCode('ERR_TIMERNN_FORMAT', message), what);
  }
});

test('checkpoints of an average that begins where the run does not have it', async (t) => {
  const held: TrainOptions = { optimizer: { name: 'adam', averageFrom: 'non-monotonic', patience: 3 } };
  const step: TrainOptions = { optimizer: { name: 'sgd', averageFrom: 70 } };
  for (const [more, averageFrom, message] of [
    [held, 1e6, /to have an average after one of \d+ updates, or none, got one after update 1000000$/],
    [step, 71, /to have an average after update 70, got one after update 71$/],
    [step, null, /to have an average after update 70, got none$/],
  ] as const) {
    const directory = await begun(t, 1, more);
    const { path, state } = await newest(directory);
    const { tensors, metadata } = await readSafetensors(path);
    metadata.set('state', JSON.stringify({ ...state, averageFrom }));
    const all = [...tensors].map(([name, { shape, data }]) => ({ name, shape, data }) as TensorInput);
    await writeSafetensors(path, all, metadata);
    await t.throwsAsync(goOn(directory, more), isCode('ERR_TIMERNN_FORMAT', message));
  }
});

test('a run.json that is none', async (t) => {
  const directory = await begun(t);
  const path = join(directory, 'run.json');
  const content = await readFile(path, 'utf8');
  for (const [bad, message] of [
    ['{', /to have JSON, got "{"$/],
    ['null', /the format timernn\.run, got undefined$/],
    [content.replace('"version": 1', '"version": 2'), /the version 1, got 2$/],
    [content.replace('"epochs": 3', '"epochs": "3"'), /options with epochs, got Object$/],
  ] as const) {
    await writeFile(path, bad);
    await t.throwsAsync(goOn(directory), isCode('ERR_TIMERNN_FORMAT', message));
  }
  await writeFile(path, content.replace(/"isa": ".*"/, '"isa": "another"'));
  const warnings = await warningsOf(directory, () => goOn(directory));
  t.deepEqual(
    warnings.map(({ code }) => code),
    ['TIMERNN_RUN_MACHINE'],
  );
});

test('lines of epochs that are trained again are cut off, and half a line too', async (t) => {
  const directory = await begun(t);
  await appendFile(join(directory, 'metrics.jsonl'), '{"epoch":2,"tokens":1}\n{"epoch":3,"tok');
  await goOn(directory);
  const lines = await metricsOf(directory);
  t.deepEqual(
    lines.map(({ epoch }) => epoch),
    [1, 2, 3],
  );
  t.not(lines[1]!.tokens, 1);
});

test('what a killed process leaves of a file is swept away', async (t) => {
  const directory = await begun(t);
  const left = [
    join(directory, '.run.json.0123456789ab.tmp'),
    join(directory, 'checkpoints', '.0000000096.safetensors.0123456789ab.tmp'),
  ];
  for (const path of left) await writeFile(path, 'half');
  await goOn(directory);
  for (const path of left) await t.throwsAsync(access(path));
});

/** Node's file system, with a disk that is full for some files after so many of them. */
function full(matches: RegExp, after: number): FileSystem {
  let opened = 0;
  const error = Object.assign(new Error('ENOSPC: from the test'), { code: 'ENOSPC' });
  return {
    ...promises,
    open: async (path, flags, mode) => {
      const file = await promises.open(path, flags, mode);
      if (!matches.test(path) || opened++ < after) return file;
      return {
        write: () => Promise.reject(error),
        chmod: (mode) => file.chmod(mode),
        sync: () => file.sync(),
        close: () => file.close(),
      };
    },
  };
}

for (const [what, matches] of [
  ['a checkpoint', /checkpoints\/\..*\.tmp$/],
  ['the best model', /best\.safetensors.*\.tmp$/],
  ['the metrics', /metrics\.jsonl$/],
] as const) {
  test(`a disk that gets full while ${what} is written: the run fails, and goes on later from the checkpoint before`, async (t) => {
    const directory = join(await folderOf(t), 'run');
    const run = { directory, checkpointWindows: 32 };
    const training = trainWith(full(matches, 1), await newTarget(corpus), text, { ...options, run });
    const error = await t.throwsAsync(
      (async () => {
        for await (const _ of training);
      })(),
      isCode('ERR_TIMERNN_FILE', /ENOSPC/),
    );
    t.is((error?.cause as NodeJS.ErrnoException | undefined)?.code, 'ENOSPC');
    const names = await checkpointsOf(directory);
    t.true(names.length > 0 && names.every((name) => !name.endsWith('.tmp')), names.join());
    t.false((await readdir(directory)).includes('lock'));
    const model = newModel(corpus);
    t.true(await goOn(directory, {}, model));
    t.is(await digest(model), await straight());
    t.is((await metricsOf(directory)).length, 3);
  });
}

test('a directory that cannot be made', async (t) => {
  const file = join(await folderOf(t), 'file');
  await writeFile(file, '');
  for (const [directory, message] of [
    [file, /file to be a folder, got a file$/],
    [join(file, 'run'), /file\/run to be a folder, got a path through a file$/],
  ] as const) {
    const run = record(newModel(corpus), text, { ...options, run: { directory } });
    await t.throwsAsync(run, isCode('ERR_TIMERNN_FILE', message));
  }
});

test('two runs in one directory: the second is refused, the first goes on', async (t) => {
  const directory = join(await folderOf(t), 'run');
  const first = newModel(corpus).train(text, { ...options, run: { directory } });
  await first.next();
  await t.throwsAsync(
    goOn(directory),
    isCode(
      'ERR_TIMERNN_BUSY',
      RegExp(
        `^Expected the directory of the run to be free, got .*run, which is in use by process ${process.pid}; ` +
          'stop it, wait, or choose another directory$',
      ),
    ),
  );
  t.false((await first.next()).done);
  await first.return();
  t.true(await goOn(directory));
});

test('the lock of a process that is gone is taken over; that of one that lives is not', async (t) => {
  const directory = await begun(t);
  const lock = join(directory, 'lock');
  const { pid: dead } = spawnSync(process.execPath, ['-e', '0']);
  const holder = (pid: number, start = '') => JSON.stringify({ pid, start, token: 'x' });
  const stale = [holder(dead), 'not JSON', '', '{"pid":0,"start":"","token":""}'];
  // The number of a process that is gone may be that of another one by now; only Linux tells when that one started.
  if (process.platform === 'linux') stale.push(holder(process.pid, 'another start'));
  for (const left of stale) {
    await writeFile(lock, left);
    const training = newModel(corpus).train(text, { ...options, run: { directory, resume: true } });
    await t.notThrowsAsync(training.next(), left);
    await training.return();
    await t.throwsAsync(access(lock));
  }
  await writeFile(lock, holder(process.ppid));
  await t.throwsAsync(goOn(directory), isCode('ERR_TIMERNN_BUSY', RegExp(`in use by process ${process.ppid};`)));
  await rm(lock);
  await mkdir(lock);
  await t.throwsAsync(goOn(directory), isCode('ERR_TIMERNN_FILE'));
});

test('a run that fails leaves the checkpoints it had, and gives the lock back', async (t) => {
  const directory = join(await folderOf(t), 'run');
  const tokens = new Uint32Array(new SharedArrayBuffer(4 * 4000));
  const bad = Corpus.fromTokens(tokens, { vocabularySize: 10 });
  const run = { directory, checkpointWindows: 16 };
  const training = record(newModel(bad), bad, { streams: 4, window: 16, reportEvery: 8, run }, ({ window }) => {
    if (window === 24) tokens.fill(11);
    return false;
  });
  await t.throwsAsync(training, isCode('ERR_TIMERNN_TOKEN'));
  t.deepEqual(await checkpointsOf(directory), ['0000000000.safetensors', '0000000016.safetensors']);
  t.false((await readdir(directory)).includes('lock'));
});

test('an abort before the first window', async (t) => {
  const directory = join(await folderOf(t), 'run');
  const reason = new Error('the reason');
  const controller = new AbortController();
  const run = newModel(corpus).train(text, { ...options, run: { directory }, signal: controller.signal });
  const first = run.next();
  setImmediate(() => controller.abort(reason));
  t.is(await t.throwsAsync(first.then(() => run.next())), reason);
  const model = newModel(corpus);
  t.true(await goOn(directory, {}, model));
  t.is(await digest(model), await straight());
});
