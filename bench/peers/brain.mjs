/** brain.js: its recurrent.RNN on the char workload, one stream, since it has no mini-batch. */
import { startInNode } from './npm.mjs';

export default {
  name: 'brain.js',
  supports: ({ kind, cell, V }, threads) => kind === 'lm' && cell === 'rnn' && V < 1000 && threads === 1,
  start: (workload, _threads, options) => startInNode('brain.js', 'brain_side.mjs', workload, options),
};
