/** Shared arenas: aligned for every thread, zero, and refused with a clear error where they cannot be had. */
import { once } from 'node:events';
import { totalmem } from 'node:os';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import fc from 'fast-check';
import { LanguageModel, Vocabulary } from 'timernn';
import { allocateFloats } from '#src/memory/arena.js';
import { native } from '#src/native.js';
import { refuses } from '../helpers/refused.js';
import { charCorpus, isCode, newModel } from '../models/helpers/models.js';

test('arenas are shared, zero, as long as asked, and start on a 64-byte boundary', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5000 }), (length) => {
      const arena = allocateFloats(length);
      return (
        arena.length === length &&
        arena.buffer instanceof SharedArrayBuffer &&
        arena.every((value) => value === 0) &&
        (length === 0 || native.misalignment(arena) === 0)
      );
    }),
  );
  // The measure itself: one float further is fifteen short of the next line.
  t.is(native.misalignment(allocateFloats(64).subarray(1)), 15);
});

test('the boundary holds as seen from another thread', async (t) => {
  const arenas = [1, 15, 16, 17, 1000, 4096, 100_000].map(allocateFloats);
  const workerData = [...arenas, arenas[4]!.subarray(1)];
  const worker = new Worker(new URL('./helpers/alignment-thread.js', import.meta.url), { workerData });
  const [[skips]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
  t.deepEqual(skips, [0, 0, 0, 0, 0, 0, 0, 15]);
});

for (const length of [2 ** 34, 2 ** 53, Number.POSITIVE_INFINITY, Number.NaN, Math.ceil(totalmem() / 4)]) {
  test(`an arena of ${length} floats is refused`, (t) => {
    t.throws(
      () => allocateFloats(length),
      isCode('ERR_TIMERNN_OPTION', /^Expected sizes whose tensors fit into memory/),
    );
  });
}

const vocabulary = Vocabulary.fromTokens(['<unk>', 'a', 'b'], { unit: 'char' });
const build = (embedding: number, size: number) => () =>
  new LanguageModel({ vocabulary, embedding, layers: [{ cell: 'rnn', size }] });

refuses('ERR_TIMERNN_OPTION', [
  [
    'the largest model that a spec can say',
    build(2 ** 24, 2 ** 24),
    // (3·2²⁴ + 2·2⁴⁸ + 4·2²⁴ + 3, each on a line, and a line more) floats of 4 bytes.
    'Expected sizes whose tensors fit into memory, got an arena of 2097152.4 GiB',
  ],
]);

test('a recurrent matrix of a TiB', (t) => {
  t.throws(build(1, 2 ** 19), isCode('ERR_TIMERNN_OPTION', /got an arena of 1024\.\d GiB$/));
});

test('gradients that fit one by one but not together are refused before any is allocated', async (t) => {
  const corpus = charCorpus(70_000);
  const model = newModel(corpus, { embedding: 100_000, sizes: [1] });
  // Some MB for each of 2¹⁶ shards: more than any arena may have.
  const run = model.train(corpus, { streams: 2 ** 16, shards: 2 ** 16, workers: 1 });
  await t.throwsAsync(run.next(), isCode('ERR_TIMERNN_OPTION', /got gradients of all shards of \d+\.\d GiB$/));
});
