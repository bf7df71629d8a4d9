/**
 * A process that trains in a directory until it is done or killed: `node killed-child.js <recipe> <directory> <workers> <epochs>`.
 * Prints a line a report, and the digest of the model at the end. It is never more than a few reports ahead of the lines that it
 * reads, so that a parent that is late still finds it training.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { digest, newModel } from '../../models/helpers/models.js';
import { corpus, RECIPES, text } from './recorded.js';

const [name, directory, workers, epochs] = process.argv.slice(2) as [string, string, string, string];
const { shape, options } = RECIPES[name]!;
const AHEAD = 8;

let [sent, read] = [0, 0];
const input = createInterface({ input: process.stdin });
input.on('line', () => {
  read++;
});

const model = newModel(corpus, shape);
const run = { directory, resume: true, checkpointWindows: 5 };
for await (const { epoch, window } of model.train(text, {
  ...options,
  epochs: Number(epochs),
  workers: Number(workers),
  reportEvery: 5,
  run,
})) {
  console.log(`report ${epoch} ${window}`);
  sent++;
  while (sent - read > AHEAD) await once(input, 'line');
}
input.close();
console.log(`digest ${await digest(model)}`);
