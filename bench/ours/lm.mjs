/** A language model trained on random tokens through the public API; speed is taken from the rounds `train` reports. */
import { Corpus, LanguageModel } from 'timernn';
import { random } from './random.mjs';

export async function languageModel({ cell, layers, N, T, D, H, V, lr, clip }, workers, corpusLength) {
  const numbers = random(1);
  const tokens = Uint32Array.from({ length: corpusLength }, () => Math.floor(numbers.next().value * V));
  const corpus = Corpus.fromTokens(tokens, { vocabularySize: V });
  const model = new LanguageModel({
    vocabulary: corpus.vocabulary,
    embedding: D,
    layers: Array.from({ length: layers }, () => ({ cell, size: H })),
    seed: 1,
  });
  const options = { streams: N, window: T, epochs: 1e6, workers, learningRate: lr, clip };
  const rounds = model.train(corpus, options);
  let before = 0;
  return {
    async run(seconds) {
      let [tokens, spent] = [0, 0];
      while (spent < seconds) {
        const { value, done } = await rounds.next();
        if (done) throw new Error('training ended before the benchmark did');
        const count = value.tokens - before;
        before = value.tokens;
        tokens += count;
        spent += count / value.tokensPerSecond;
      }
      return { tokens, seconds: spent };
    },
    close: () => rounds.return(),
  };
}
