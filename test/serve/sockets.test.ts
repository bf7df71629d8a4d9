/** Clients on real sockets: some go away, some never finish, some do not speak HTTP. Order comes from events alone. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { TOKEN } from './helpers/app.js';
import { listen, post } from './helpers/server.js';

test('a client that goes away takes its work with it: whole answers, streams, and steps that wait', async (t) => {
  const { server, predictor } = await listen(t);
  const { id } = (await (await post(`${server.url}/v1/sessions`, {})).json()) as { id: string };
  for (const [path, body] of [
    ['/v1/next', { text: 'the' }],
    ['/v1/score', { text: 'the' }],
    ['/v1/generate', { length: 4000 }],
    ['/v1/generate', { length: 4000, stream: true }],
    [`/v1/sessions/${id}/step`, { token: 1 }],
  ] as const) {
    const before = predictor.calls.filter((call) => call !== 'session').length;
    const { cancelled } = predictor.stats;
    predictor.shut();
    const controller = new AbortController();
    const answer = post(server.url + path, body, controller.signal);
    while (predictor.calls.filter((call) => call !== 'session').length === before) {
      await predictor.asked(predictor.calls.length + 1);
    }
    controller.abort();
    t.is(await answer.then(String, (error: Error) => error.name), 'AbortError');
    while (predictor.stats.cancelled === cancelled) await predictor.changed();
    predictor.open();
    t.is(predictor.stats.cancelled, cancelled + 1, path);
  }
  const session = (await (await fetch(`${server.url}/v1/sessions/${id}`)).json()) as { position: number };
  t.is(session.position, 0);
});

test('a reader that leaves in the middle of a stream ends the generation', async (t) => {
  const { server, predictor } = await listen(t);
  const controller = new AbortController();
  const answer = await post(`${server.url}/v1/generate`, { length: 4096, stream: true }, controller.signal);
  const reader = answer.body!.getReader();
  await reader.read();
  predictor.shut();
  controller.abort();
  while (predictor.stats.cancelled === 0) await predictor.changed();
  t.is(predictor.stats.cancelled, 1);
});

test('requests that wait behind another on the same connection end with it, also streams that nobody reads', async (t) => {
  const { server, port, predictor } = await listen(t, { metrics: true });
  const body = JSON.stringify({ length: 4096, stream: true });
  const head = 'POST /v1/generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
  // The first stream comes to the gate; those behind it are full before, and wait for a reader.
  const begun = predictor.asked(1500).then(() => predictor.shut());
  const socket = connect(port, '127.0.0.1', () => {
    socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`.repeat(3));
  });
  await begun;
  const running = async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return Number(/^timernn_http_requests_running (\d+)$/m.exec(text)![1]);
  };
  t.is(await running(), 3);
  socket.destroy();
  while ((await running()) > 0) await turn();
  t.is(await running(), 0);
});

test('slow senders: headers and bodies that never end are answered with 408 and closed; others are served meanwhile', async (t) => {
  const { server, port } = await listen(t, {}, { requestTimeout: 0.2 });
  const head = 'POST /v1/next HTTP/1.1\r\nhost: x\r\n';
  const started = [head, `${head}content-type: application/json\r\ncontent-length: 100\r\n\r\n{"text":`, 'P'].map(
    (text) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      let received = '';
      socket.setEncoding('utf8').on('data', (piece: string) => {
        received += piece;
      });
      return once(socket, 'close').then(() => received);
    },
  );
  const meanwhile = await server.app.inject({ method: 'POST', url: '/v1/next', payload: { text: 'the' } });
  t.is(meanwhile.statusCode, 200);
  for (const received of await Promise.all(started)) {
    t.regex(received, /^HTTP\/1\.1 408 /);
    t.regex(received, /"code":"REQUEST_TIMEOUT"/);
  }
});

test('a connection on which nothing moves is closed', async (t) => {
  const { server, port } = await listen(t, {}, { connectionTimeout: 0.1 });
  const connected = once(server.app.server, 'connection');
  const socket = connect(port, '127.0.0.1').resume();
  const [atServer] = await connected;
  const [failed] = await once(socket, 'close');
  t.false(failed, 'it was ended, not broken');
  t.true(atServer.destroyed);
  t.is(atServer.bytesRead, 0);
});

test('what is not HTTP, and headers without end, are answered and closed', async (t) => {
  const { port } = await listen(t);
  const send = async (text: string) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('error', () => undefined);
    let received = '';
    socket.setEncoding('utf8').on('data', (piece: string) => {
      received += piece;
    });
    await once(socket, 'close');
    return received;
  };
  t.regex(await send('\u0016\u0003\u0001 hello\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*"INVALID_REQUEST"/);
  t.regex(
    await send(`GET / HTTP/1.1\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431 [\s\S]*"HEADERS_TOO_LARGE"/,
  );
  t.regex(
    await send('POST /v1/next HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
    /^HTTP\/1\.1 400 /,
  );
});

test('a service of its own: paths that are none, URLs that are none, HEAD, and pipelined requests', async (t) => {
  const { server } = await listen(t, { token: TOKEN });
  t.like(await (await fetch(`${server.url}/nope`)).json(), { error: { code: 'NOT_FOUND' } });
  const { port } = new URL(server.url);
  const bad = request({ port: Number(port), host: '127.0.0.1', path: '/%zz' }).end();
  const [answer] = (await once(bad, 'response')) as [IncomingMessage];
  t.is(answer.statusCode, 400);
  answer.resume();
  t.is((await fetch(`${server.url}/healthz`, { method: 'HEAD' })).status, 200);
});
