/** What recipes ask for is what the library takes: options that only the real run would refuse cost hours. */
import test from 'ava';
import { Corpus, LanguageModel, type LanguageModelOptions, type TrainOptions } from 'timernn';
import { loadRecipes } from '#src/recipes/load.js';

// Long enough for the streams and windows of every recipe.
const corpus = Corpus.fromTokens(
  Uint32Array.from({ length: 20_000 }, (_, index) => index % 30),
  { vocabularySize: 30 },
);

test('the library takes model and training of every recipe', async (t) => {
  for (const recipe of await loadRecipes()) {
    const { name, model, train, data, seed } = JSON.parse(JSON.stringify(recipe)) as typeof recipe;
    const { vocabulary } = corpus;
    t.notThrows(() => {
      const made = new LanguageModel({ ...(model as unknown as LanguageModelOptions), vocabulary, seed });
      const held = data.kind === 'ptb' && data.first !== undefined ? {} : { heldOut: corpus };
      made.train(corpus, { ...(train as unknown as TrainOptions), ...held, seed });
    }, name);
  }
});
