// A model behind plain node:http. Scoring and generating run off the main thread, so the service keeps answering.
//
//   POST /score     text → { logProbability, bitsPerCharacter }
//   POST /generate  prompt → text, streamed as it is made; it stops when the client goes away
//
// The script starts the service, calls it over loopback, and stops it.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { Corpus, LanguageModel, TimeRNNError } from 'timernn';

const corpus = Corpus.fromText('call me ishmael. some years ago, never mind how long\n'.repeat(150), { unit: 'char' });
const model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 16, layers: [{ cell: 'rnn', size: 64 }] });
for await (const _ of model.train(corpus, { streams: 8, window: 32, epochs: 10 }));

async function score(request, response) {
  const text = await readText(request);
  const logProbability = await model.logProbability(text);
  const bitsPerCharacter = -logProbability / Math.LN2 / [...text].length;
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ logProbability, bitsPerCharacter }));
}

async function generate(request, response) {
  const prompt = await readText(request);
  const controller = new AbortController();
  response.on('close', () => controller.abort());
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  const length = Number(new URL(request.url, 'http://service').searchParams.get('length') ?? 200);
  try {
    for await (const piece of model.generate({ prompt, length, temperature: 0.5, signal: controller.signal })) {
      // A slow reader slows the model down instead of filling the memory; one that goes away wakes us by the signal.
      if (!response.write(piece)) await once(response, 'drain', { signal: controller.signal });
    }
    response.end();
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    console.log('the client went away: generation stopped');
    server.emit('abandoned');
  }
}

const routes = { 'POST /score': score, 'POST /generate': generate };
const server = createServer(async (request, response) => {
  try {
    const path = new URL(request.url, 'http://service').pathname;
    const route = routes[`${request.method} ${path}`];
    if (route === undefined) response.writeHead(404).end('not found\n');
    else await route(request, response);
  } catch (error) {
    const status = error instanceof TimeRNNError ? 400 : 500;
    if (status === 500) console.error(error);
    if (response.headersSent) response.destroy();
    else response.writeHead(status).end(`${status === 400 ? error.message : 'internal error'}\n`);
  }
});

server.listen(0, '127.0.0.1');
await once(server, 'listening');
const base = `http://127.0.0.1:${server.address().port}`;
console.log('listening on the loopback interface');

for (const text of ['call me ishmael', 'leamhsi em llac']) {
  const answer = await fetch(`${base}/score`, { method: 'POST', body: text });
  console.log(text, '→', await answer.json());
}

const answer = await fetch(`${base}/generate?length=80`, { method: 'POST', body: 'call me ' });
console.log('generated:', JSON.stringify(`call me ${await answer.text()}`));

const abandoned = once(server, 'abandoned');
const controller = new AbortController();
const endless = await fetch(`${base}/generate?length=100000000`, {
  method: 'POST',
  body: 'some years ',
  signal: controller.signal,
});
await endless.body.getReader().read(); // the first piece, then no more
controller.abort();
await abandoned;

server.closeAllConnections();
server.close();
await once(server, 'close');
console.log('stopped');
