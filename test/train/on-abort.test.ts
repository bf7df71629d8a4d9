import { getEventListeners } from 'node:events';
import test from 'ava';
import { onAbort } from '#src/train/on-abort.js';
import { charCorpus, newModel } from '../models/helpers/models.js';

test('one listener serves any number of actions, and goes with the last one', (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const told: number[] = [];
  const forget = Array.from({ length: 12 }, (_, i) => onAbort(signal, () => told.push(i)));
  t.is(getEventListeners(signal, 'abort').length, 1);
  forget[3]!();
  forget[3]!();
  controller.abort();
  t.deepEqual(told, [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]);
  for (const each of forget) each();
  t.is(getEventListeners(signal, 'abort').length, 0);
  onAbort(undefined, () => t.fail())();
});

test('two runs under one signal share a listener and stop together', async (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const corpus = charCorpus(4000);
  const options = { streams: 2, window: 8, workers: 1, epochs: 1000, reportEvery: 1, signal };
  const runs = [1, 2].map((seed) => newModel(corpus, { seed }).train(corpus, options));
  for (const run of runs) t.false((await run.next()).done);
  t.is(getEventListeners(signal, 'abort').length, 1);
  const reason = new Error('enough');
  controller.abort(reason);
  for (const run of runs) t.is(await t.throwsAsync(run.next()), reason);
  t.is(getEventListeners(signal, 'abort').length, 0);
});
