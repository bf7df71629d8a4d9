/**
 * The brain.js side: trainPattern over T random tokens, then the next T; its own cell (ReLU), one-hot input instead of
 * an embedding, a head over V + 1, a step after each window. Less work a token than the workload asks for.
 */
import brain from 'brain.js';
import { random } from '../ours/random.mjs';
import { serve, version } from './serve.mjs';

const { T, H, V } = JSON.parse(process.argv[2]);
const net = new brain.recurrent.RNN({ inputSize: V, inputRange: V, outputSize: V, hiddenLayers: [H] });
// Its usual rate diverges at this size, and numbers that are not numbers prove nothing.
net.trainOpts.learningRate = 1e-5;
net.initialize();
const numbers = random(1);

function step() {
  net.trainPattern(
    Array.from({ length: T }, () => Math.floor(numbers.next().value * V)),
    false, // true would only have the error returned
  );
  return T;
}

await serve({ version: version('brain.js'), chosen: 'recurrent.RNN, one stream', step });
