// A Fastify service that keeps a session for each visitor: what comes next, how surprising was that click, go back and try another way.
// The plugin brings the routes (docs/serving.md); the app adds one of its own. The script starts it, calls it and stops it.
import Fastify from 'fastify';
import { Corpus, LanguageModel } from 'timernn';
import timernn from 'timernn/fastify';

const visits = ['home search item cart pay\n', 'home item item search item\n', 'home search item item cart pay\n'];
const corpus = Corpus.fromText(visits.join('').repeat(80), { unit: 'word' });
const model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 8, layers: [{ cell: 'gru', size: 24 }] });
for await (const _ of model.train(corpus, {
  streams: 8,
  window: 16,
  epochs: 6,
  optimizer: 'adam',
  learningRate: 0.01,
}));

const app = Fastify();
app.get('/', async () => 'a shop\n');
await app.register(timernn, { model, prefix: '/clicks', limits: { maxSessions: 1000, sessionTtl: 600 } });
const base = await app.listen({ host: '127.0.0.1', port: 0 });

async function call(method, path, body) {
  const answer = await fetch(`${base}/clicks${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (!answer.ok) throw new Error(JSON.stringify(await answer.json()));
  return answer.status === 204 ? undefined : answer.json();
}
const show = (next) => next.map(({ text, probability }) => `${text} ${(100 * probability).toFixed(0)} %`).join(', ');

const { id } = await call('POST', '/v1/sessions');
for (const click of ['<eos>', 'home', 'search', 'item']) {
  const { surprise, next } = await call('POST', `/v1/sessions/${id}/step`, { token: click, topK: 3, surprise: true });
  console.log(`${click.padEnd(7)} surprise ${surprise[0].toFixed(2)} nats; next: ${show(next)}`);
}

// The same visitor, twice: one goes on as most do, the other one does not.
const fork = await call('POST', `/v1/sessions/${id}/fork`);
const usual = await call('POST', `/v1/sessions/${id}/step`, { token: 'cart', surprise: true, topK: 0 });
const odd = await call('POST', `/v1/sessions/${fork.id}/step`, { token: 'pay', surprise: true, topK: 0 });
console.log(`cart is ${usual.surprise[0].toFixed(2)} nats, paying at once ${odd.surprise[0].toFixed(2)}`);

// What a session knows is a few numbers, which the client may keep: here it goes on in a new session.
const { state } = await call('GET', `/v1/sessions/${id}/state`);
await call('DELETE', `/v1/sessions/${id}`);
const again = await call('POST', '/v1/sessions', { state });
console.log(`after ${again.position} clicks, from ${state.length} characters of state:`);
console.log(`  ${show((await call('POST', `/v1/sessions/${again.id}/step`, { token: 'pay', topK: 2 })).next)}`);

// Text as it is made: server-sent events.
const stream = await fetch(`${base}/clicks/v1/generate`, {
  method: 'POST',
  body: JSON.stringify({ prompt: 'home', length: 8, seed: 1 }),
  headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
});
for (const event of (await stream.text()).split('\n\n').filter(Boolean)) console.log(event.replace('\n', ' '));

await app.close();
console.log('closed');
