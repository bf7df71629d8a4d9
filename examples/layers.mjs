// A recurrent language model put together by hand from the book's layers, trained with SGD written in JavaScript:
//
//   ids (N×T) → TimeEmbedding (N×T×D) → TimeRNN (N×T×H) → TimeAffine (N×T×V) → TimeSoftmaxWithLoss → loss
//
// LanguageModel does the same in native code on all cores; this shows what happens inside.
import { Corpus } from 'timernn';
import { TimeAffine, TimeEmbedding, TimeRNN, TimeSoftmaxWithLoss } from 'timernn/layers';

const N = 4; // streams: rows of the mini-batch
const T = 16; // steps of a window: how far back the gradient flows
const D = 16;
const H = 48;
const epochs = process.env.TIMERNN_EXAMPLE_QUICK === '1' ? 6 : 20;
const learningRate = 0.5;

const text = 'it was the whiteness of the whale that above all things appalled me. '.repeat(40);
const corpus = Corpus.fromText(text, { unit: 'char' });
const V = corpus.vocabulary.size;

const embedding = new TimeEmbedding({ vocabularySize: V, embeddingSize: D, seed: 1 });
const rnn = new TimeRNN({ inputSize: D, hiddenSize: H, stateful: true, seed: 2 });
const affine = new TimeAffine({ inputSize: H, outputSize: V, seed: 3 });
const criterion = new TimeSoftmaxWithLoss();
const layers = [embedding, rnn, affine];

// Stream i starts at i·⌊L/N⌋ and reads forward, so that each row of the mini-batch keeps its own hidden state.
const streamLength = Math.floor(corpus.length / N);
const windowsPerEpoch = Math.floor((streamLength - 1) / T);

/** The window's inputs and, one step later in the text, its targets: N rows of T token ids. */
function windowAt(index) {
  const rows = (shift) =>
    Array.from({ length: N }, (_, i) => {
      const start = i * streamLength + index * T + shift;
      return corpus.tokens.subarray(start, start + T);
    });
  return { inputs: rows(0), targets: rows(1) };
}

function trainWindow({ inputs, targets }) {
  const scores = affine.forward(rnn.forward(embedding.forward(inputs)));
  const loss = criterion.forward(scores, targets);
  // Backward through the same layers in the opposite order. It stops at the window's edge: that is the truncation.
  const { dxs } = rnn.backward(affine.backward(criterion.backward()));
  embedding.backward(dxs);
  for (const layer of layers) {
    for (const [name, parameter] of Object.entries(layer.params)) {
      const gradient = layer.grads[name].data;
      for (let i = 0; i < gradient.length; i++) parameter.data[i] -= learningRate * gradient[i];
    }
  }
  return loss;
}

console.log(`V = ${V}, D = ${D}, H = ${H}; ${N} streams × ${T} steps, ${windowsPerEpoch} windows an epoch`);
let first = Number.NaN;
let last = Number.NaN;
for (let epoch = 0; epoch < epochs; epoch++) {
  rnn.resetState(); // the streams start over, so their old state means nothing
  let sum = 0;
  for (let index = 0; index < windowsPerEpoch; index++) sum += trainWindow(windowAt(index));
  last = Math.exp(sum / windowsPerEpoch);
  if (epoch === 0) first = last;
  console.log(`epoch ${String(epoch + 1).padStart(2)}: perplexity ${last.toFixed(2)}`);
}
if (!(last < first)) throw new Error(`Expected the perplexity to fall, got ${first} and then ${last}`);
