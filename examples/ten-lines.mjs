// Train on a string, then let the model go on from a prompt.
import { Corpus, LanguageModel } from 'timernn';

const corpus = Corpus.fromText('the sea, the sea, the white whale in the sea; '.repeat(200), { unit: 'char' });
const model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 16, layers: [{ cell: 'rnn', size: 64 }] });
for await (const { epoch, epochEnd, epochLoss } of model.train(corpus, { streams: 8, window: 32, epochs: 10 })) {
  if (epochEnd) console.log(`epoch ${epoch + 1}: perplexity ${Math.exp(epochLoss).toFixed(2)}`);
}
for await (const piece of model.generate({ prompt: 'the ', length: 60, seed: 1 })) process.stdout.write(piece);
console.log();
