/** Questions to a model that is in training: each sees one state between two rounds, never half an update. */
import { join } from 'node:path';
import test from 'ava';
import { charCorpus, digest, digestOf, fileWeights, folderOf, joined, newModel, train } from './helpers/models.js';

const corpus = charCorpus(12_000);
const heldOut = charCorpus(600, 2);
/** 20 rounds. */
const options = { streams: 4, window: 8, workers: 3, reportEvery: 19, learningRate: 0.5 };

/** What a model says at the start and after each round. */
async function history<T>(ask: (model: ReturnType<typeof newModel>) => Promise<T>): Promise<T[]> {
  const model = newModel(corpus);
  const answers = [await ask(model)];
  for await (const _ of model.train(corpus, options)) answers.push(await ask(model));
  return answers;
}

/** Asks over and over while a model trains, without the training waiting for the answers. */
async function asked<T>(ask: (model: ReturnType<typeof newModel>) => Promise<T>): Promise<T[]> {
  const model = newModel(corpus);
  const answers: T[] = [];
  let training = true;
  const asking = async () => {
    while (training) answers.push(await ask(model));
  };
  const both = [asking(), asking()];
  await train(model, corpus, options);
  training = false;
  await Promise.all(both);
  return answers;
}

test('saved files are of one state', async (t) => {
  const folder = await folderOf(t);
  let count = 0;
  const states = new Set(await history(digest));
  t.is(states.size, 21);
  const files = await asked(async (model) => {
    const path = join(folder, `${count++}.safetensors`);
    await model.save(path);
    return digestOf(await fileWeights(path));
  });
  for (const file of files) t.true(states.has(file));
  t.true(new Set(files).size > 2, `${new Set(files).size} different states were seen`);
});

test('so are short evaluations and probabilities: one trip sees one state', async (t) => {
  const same = corpus.vocabulary.hash === heldOut.vocabulary.hash;
  t.true(same, 'both texts have all characters');
  const perplexity = (model: ReturnType<typeof newModel>) => model.perplexity(heldOut);
  const perplexities = new Set(await history(perplexity));
  for (const answer of await asked(perplexity)) t.true(perplexities.has(answer));
  const score = (model: ReturnType<typeof newModel>) => model.logProbability('the whale and the sea');
  const scores = new Set(await history(score));
  for (const answer of await asked(score)) t.true(scores.has(answer));
});

test('texts that are generated during training are whole, and training does not change by them', async (t) => {
  const quiet = newModel(corpus);
  await train(quiet, corpus, options);
  const model = newModel(corpus);
  let training = true;
  const talking = async (seed: number) => {
    let texts = 0;
    for (; training; texts++) t.is((await joined(model.generate({ length: 70, seed }))).length, 70);
    return texts;
  };
  const talks = [talking(1), talking(2)];
  await train(model, corpus, options);
  training = false;
  for (const texts of await Promise.all(talks)) t.true(texts > 0);
  t.is(await digest(model), await digest(quiet));
});
