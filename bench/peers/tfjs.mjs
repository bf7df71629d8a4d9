/** TensorFlow.js on its WASM backend, which has one thread in Node. */
import { startInNode } from './npm.mjs';

export default {
  name: 'TensorFlow.js',
  supports: ({ kind, cell }, threads) => kind !== 'step' && cell === 'rnn' && threads === 1,
  start: (workload, _threads, options) =>
    startInNode('@tensorflow/tfjs-backend-wasm', 'tfjs_side.mjs', workload, options),
};
