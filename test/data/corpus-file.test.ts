import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { Corpus, TimeRNNError, Vocabulary } from 'timernn';

const isCode = (code: string) => ({ instanceOf: TimeRNNError, code });

async function fileOf(t: ExecutionContext, content: string | Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'timernn-corpus-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'text.txt'), content);
  return join(folder, 'text.txt');
}

/** Follows the threads that are started while a test runs. */
function watchThreads(t: ExecutionContext, onStart: (worker: Worker) => void = () => {}) {
  const seen = { started: 0, ended: 0 };
  const listener = (worker: Worker) => {
    seen.started++;
    worker.once('exit', () => seen.ended++);
    onStart(worker);
  };
  process.on('worker', listener);
  t.teardown(() => process.off('worker', listener));
  return seen;
}

test.serial('fromFile gives what fromText gives, from another thread that ends', async (t) => {
  const text = 'Große 🐋 whale\n\nthe whale\n';
  const path = await fileOf(t, text);
  for (const options of [{ unit: 'char' }, { unit: 'word', lowercase: true, vocabularySize: 4 }] as const) {
    const threads = watchThreads(t);
    const corpus = await Corpus.fromFile(path, options);
    const expected = Corpus.fromText(text, options);
    t.deepEqual([...corpus.tokens], [...expected.tokens]);
    t.is(corpus.vocabulary.hash, expected.vocabulary.hash);
    t.deepEqual(threads, { started: 1, ended: 1 });
  }
});

test.serial('fromFile takes the URL of a file, as node:fs does', async (t) => {
  const path = await fileOf(t, 'call me');
  t.is((await Corpus.fromFile(pathToFileURL(path), { unit: 'char' })).length, 7);
});

test.serial('fromFile with a vocabulary keeps that object', async (t) => {
  const vocabulary = Vocabulary.fromText('the whale', { unit: 'word' });
  const corpus = await Corpus.fromFile(await fileOf(t, 'a whale'), { vocabulary });
  t.deepEqual([...corpus.tokens], [0, 3, 1]);
  t.is(corpus.vocabulary, vocabulary);
  const options = { vocabulary: Vocabulary.ofSize(3) };
  await t.throwsAsync(Corpus.fromFile(await fileOf(t, '1 2'), options), isCode('ERR_TIMERNN_VOCABULARY'));
});

test.serial('fromFile leaves a byte order mark at the start out, and only there', async (t) => {
  const corpus = await Corpus.fromFile(await fileOf(t, '\ufeffa\ufeff'), { unit: 'char' });
  t.is(corpus.vocabulary.decode(corpus.tokens), 'a\ufeff');
  const empty = await fileOf(t, '\ufeff');
  await t.throwsAsync(Corpus.fromFile(empty, { unit: 'char' }), isCode('ERR_TIMERNN_CORPUS'));
});

test.serial('fromFile names the byte where a file stops being UTF-8', async (t) => {
  const path = await fileOf(t, Buffer.concat([Buffer.from('Größe 🐋 '), Buffer.from([0xed, 0xa0, 0x80])]));
  await t.throwsAsync(Corpus.fromFile(path, { unit: 'char' }), {
    ...isCode('ERR_TIMERNN_FILE'),
    message: `Expected ${path} to be a UTF-8 text file, got an invalid sequence at byte 13 (0xed)`,
  });
});

test.serial('fromFile: missing file, folder, device, pipe, empty file', async (t) => {
  const path = await fileOf(t, '');
  execFileSync('mkfifo', [`${path}.pipe`]);
  const cases: [string, string, RegExp][] = [
    [`${path}.missing`, 'ERR_TIMERNN_FILE', /text\.txt\.missing .* got no such file/],
    [join(path, '..'), 'ERR_TIMERNN_FILE', /got a folder/],
    [join(path, 'below'), 'ERR_TIMERNN_FILE', /not a folder/],
    ['/dev/zero', 'ERR_TIMERNN_FILE', /got a pipe, device/],
    [`${path}.pipe`, 'ERR_TIMERNN_FILE', /got a pipe, device/],
    [path, 'ERR_TIMERNN_CORPUS', /text\.txt to have at least one token/],
  ];
  for (const [name, code, message] of cases) {
    await t.throwsAsync(Corpus.fromFile(name, { unit: 'word' }), { ...isCode(code), message });
  }
});

test.serial('fromFile: bad arguments start no thread', async (t) => {
  const threads = watchThreads(t);
  for (const path of ['', 'a\0b', undefined, new URL('https://x.org/x'), Promise.resolve('x.txt')]) {
    await t.throwsAsync(Corpus.fromFile(path as never, { unit: 'char' }), isCode('ERR_TIMERNN_OPTION'));
  }
  const bad = [undefined, {}, { unit: 'byte' }, { unit: 'word', vocabularySize: 0 }];
  for (const options of bad) {
    await t.throwsAsync(Corpus.fromFile('x.txt', options as never), isCode('ERR_TIMERNN_OPTION'));
  }
  t.is(threads.started, 0);
});

test.serial('fromFile: a signal ends it with its reason and leaves no thread', async (t) => {
  const path = await fileOf(t, 'call me ishmael\n'.repeat(1_000_000));
  const reason = new Error('enough');
  const early = AbortSignal.abort(reason);
  await t.throwsAsync(Corpus.fromFile(path, { unit: 'word', signal: early }), { is: reason });
  const controller = new AbortController();
  const threads = watchThreads(t, (worker) => worker.once('online', () => controller.abort(reason)));
  await t.throwsAsync(Corpus.fromFile(path, { unit: 'word', signal: controller.signal }), { is: reason });
  t.deepEqual(threads, { started: 1, ended: 1 });
});

const ptb = (part: string) => join('..', 'shared', 'data', 'ptb', `ptb.${part}.txt`);
(existsSync(ptb('train')) ? test.serial : test.serial.skip)(
  'Penn Treebank: 929,589 / 73,760 / 82,430 tokens and 10,000 types (skipped where ../shared is absent)',
  async (t) => {
    const train = await Corpus.fromFile(ptb('train'), { unit: 'word' });
    const { vocabulary } = train;
    const valid = await Corpus.fromFile(ptb('valid'), { vocabulary });
    const held = await Corpus.fromFile(ptb('test'), { vocabulary });
    t.deepEqual([train.length, valid.length, held.length], [929_589, 73_760, 82_430]);
    t.is(vocabulary.size, 10_000);
    t.deepEqual(
      [2, 3, 4].map((id) => vocabulary.token(id)),
      ['the', 'N', 'of'],
    );
  },
);
