// Log lines that are not as usual. A worker thread learns from lines of a quiet day, says how surprising the usual ones are, and
// then watches a stream; the main thread, where a service would answer its requests, only passes lines on.
import { on, once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Corpus, LanguageModel } from 'timernn';

const USERS = ['ann', 'bob', 'cat', 'dan'];
/** One visit, line by line; the numbers come from a generator with a seed, so each run is the same. */
function* visits(count, seed) {
  let x = seed;
  const random = (n) => {
    x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
    return (x >>> 16) % n;
  };
  for (let i = 0; i < count; i++) {
    const user = USERS[random(USERS.length)];
    yield `login user=${user} ok`;
    for (let reads = random(3) + 1; reads > 0; reads--) yield `read user=${user} file ok`;
    if (random(2) === 0) yield `write user=${user} file ok`;
    yield `logout user=${user} ok`;
  }
}

/** Reads a line; the surprise of its least expected word, in nats. The session remembers the lines before it. */
async function surpriseOf(session, vocabulary, line) {
  const logs = await session.score(vocabulary.encode(`${line}\n`));
  return -Math.min(...logs);
}

async function watch() {
  const quiet = [...visits(600, 1)];
  const corpus = Corpus.fromText(`${quiet.join('\n')}\n`, { unit: 'word' });
  const model = new LanguageModel({
    vocabulary: corpus.vocabulary,
    embedding: 12,
    layers: [{ cell: 'gru', size: 32 }],
  });
  const options = { streams: 8, window: 32, epochs: 8, optimizer: 'adam', learningRate: 0.01, workers: 1 };
  for await (const _ of model.train(corpus, options));

  // The usual: lines of another day, which the model has not seen.
  const predictor = await model.predictor();
  const usual = predictor.session();
  let most = 0;
  for (const line of visits(100, 2)) most = Math.max(most, await surpriseOf(usual, corpus.vocabulary, line));
  const threshold = 1.2 * most;
  parentPort.postMessage({ threshold });

  const session = predictor.session();
  for await (const [line] of on(parentPort, 'message')) {
    if (line === undefined) break;
    const before = session.state;
    const surprise = await surpriseOf(session, corpus.vocabulary, line);
    const anomaly = surprise > threshold;
    // As if it had not been there: the line after an odd one is judged by the usual ones before it.
    if (anomaly) session.state = before;
    parentPort.postMessage({ line, surprise, anomaly });
  }
  await predictor.close();
}

async function main() {
  const worker = new Worker(new URL(import.meta.url));
  const [{ threshold }] = await once(worker, 'message');
  console.log(`a line is odd above ${threshold.toFixed(2)} nats in any word`);

  const stream = [...visits(20, 3)];
  const odd = ['write user=bob file ok', 'read user=ann file denied', 'logout user=cat logout ok', 'rm -rf /'];
  // Between two visits nobody is logged in, so the first of them is odd although each of its words is usual.
  odd.forEach((line, i) => {
    const ends = stream.flatMap((each, at) => (each.startsWith('logout') && !odd.includes(each) ? [at + 1] : []));
    stream.splice(ends[3 * i + 2], 0, line);
  });
  const found = [];
  worker.on('message', ({ line, surprise, anomaly }) => {
    if (anomaly) found.push(line);
    if (anomaly) console.log(`  ${surprise.toFixed(2).padStart(6)}  ${line}`);
  });
  for (const line of stream) worker.postMessage(line);
  worker.postMessage(undefined);
  const [code] = await once(worker, 'exit');
  if (code !== 0) throw new Error(`the worker ended with ${code}`);
  console.log(`${stream.length} lines, ${found.length} of them odd`);
  const missed = odd.filter((line) => !found.includes(line));
  if (missed.length > 0) throw new Error(`missed: ${missed.join('; ')}`);
}

await (isMainThread ? main() : watch());
