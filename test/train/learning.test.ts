/** That training learns, in more than one place at once, and off the event loop. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { Corpus } from 'timernn';
import { charCorpus, digest, newModel, train } from '../models/helpers/models.js';

const repeated = Corpus.fromText('the cat sat on the mat and looked at the whale.\n'.repeat(300), { unit: 'char' });
const options = { streams: 8, window: 16, workers: 2, learningRate: 1 };

for (const sizes of [[48], [32, 32]]) {
  test(`a text that repeats itself is learnt: ${sizes.length} layers`, async (t) => {
    const { train: learnt, heldOut } = repeated.split({ heldOut: 0.1 });
    const model = newModel(repeated, { sizes, embedding: 16 });
    const before = await model.perplexity(heldOut, { streams: 4 });
    const losses: number[] = [];
    for await (const { epochEnd, epochLoss } of model.train(learnt, { ...options, epochs: 4 })) {
      if (epochEnd) losses.push(epochLoss);
    }
    const after = await model.perplexity(heldOut, { streams: 4 });
    t.log(
      `loss ${losses.map((loss) => loss.toFixed(2)).join(', ')}; held out ${before.toFixed(1)}, then ${after.toFixed(2)}`,
    );
    t.true(losses[3]! < losses[0]! / 4, 'the loss falls');
    // Each next character but few is certain after what came before; only a model without a memory stays above 2.
    t.true(after < 1.5, 'so does the held-out perplexity');
    const text = [];
    for await (const piece of model.generate({ prompt: 'the cat sat', length: 36, temperature: 0 })) text.push(piece);
    t.is(text.join(''), ' on the mat and looked at the whale.');
  });
}

test('two models train at the same time in one process, and neither knows of the other', async (t) => {
  const corpus = charCorpus(8000);
  const run = async (seed: number) => {
    const model = newModel(corpus, { seed });
    await train(model, corpus, { streams: 4, window: 8, workers: 2, reportEvery: 25 });
    return digest(model);
  };
  const together = await Promise.all([run(1), run(2), run(1)]);
  t.deepEqual(together, [await run(1), await run(2), together[0]]);
});

test('a model trains inside a worker thread: the same bits as here', async (t) => {
  const worker = new Worker(new URL('./helpers/training-thread.js', import.meta.url));
  const [[message], [code]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
  const corpus = charCorpus(4000);
  const model = newModel(corpus);
  await train(model, corpus, { streams: 4, window: 8, workers: 2 });
  t.deepEqual(message, { digest: await digest(model), failure: 'ERR_TIMERNN_BUSY' });
  t.is(code, 0, 'and the thread ends by itself');
});

test('while all cores train, timers keep firing within a round', async (t) => {
  const corpus = charCorpus(600_000);
  const model = newModel(corpus, { sizes: [96] });
  // Rounds of a tenth of a second and more, however fast the machine is in its first moments.
  const run = model.train(corpus, { streams: 32, window: 64, epochs: 1e6, reportEvery: 100 });
  await run.next();
  for (let round = 0; round < 3; round++) {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    // Hundreds of ticks on an idle machine; one is asked for.
    const { value } = await run.next();
    clearInterval(timer);
    t.true(value!.window > 0 || value!.epochEnd);
    t.true(ticks >= 1, `round ${round}: ${ticks} ticks`);
  }
  await run.return();
});
