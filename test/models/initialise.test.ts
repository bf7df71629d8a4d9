/** A model whose first weights cannot be drawn, for want of memory: every question says so with the same code. */
import test from 'ava';
import { native } from '#src/native.js';
import { charCorpus, isCode, newModel } from './helpers/models.js';

test('what fails at the first use comes out as one of our errors, whatever the first use is', async (t) => {
  const initialise = native.initialise;
  t.teardown(() => Object.assign(native, { initialise }));
  const failure = () => Object.assign(new Error('Expected enough memory'), { code: 'ERR_TIMERNN_NATIVE' });
  Object.assign(native, { initialise: () => Promise.reject(failure()) });
  const corpus = charCorpus(100);
  const model = newModel(corpus);
  const isOurs = isCode('ERR_TIMERNN_NATIVE', /enough memory/);
  await t.throwsAsync(model.generate().next(), isOurs);
  await t.throwsAsync(model.train(corpus).next(), isOurs);
  await t.throwsAsync(model.perplexity(corpus), isOurs);
});
