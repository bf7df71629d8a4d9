/** Trains a model inside a worker thread, and posts the digest of its weights. */
import { parentPort } from 'node:worker_threads';
import type { TimeRNNError } from 'timernn';
import { charCorpus, digest, newModel, train } from '../../models/helpers/models.js';

const corpus = charCorpus(4000);
const model = newModel(corpus);
let failure: string | undefined;
await train(model, corpus, { streams: 4, window: 8, workers: 2 }, () => {
  // An error's code is the same in here.
  void model
    .train(corpus)
    .next()
    .catch((error: TimeRNNError) => {
      failure ??= error.code;
    });
  return false;
});
parentPort?.postMessage({ digest: await digest(model), failure });
