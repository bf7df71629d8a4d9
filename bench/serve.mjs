/**
 * How many steps a second a service does, and how soon: many sessions of one model over HTTP on the loopback interface, one request
 * of each at a time, with batches and without. The server is a child process, the load comes from this one, so both share
 * the cores of the machine: the figures are those of a service beside its load, not of a service alone.
 *
 *   npm run bench:serve -- [--seconds 60] [--sessions 1000] [--cell rnn] [--size 512] [--vocabulary 96] [--precision float32]
 *                          [--top-k 1] [--lanes 1] [--rate 1500] [--json file]
 *
 * Without --rate each session asks again as soon as it is answered, which is as much as the machine can do: latency and lateness are then
 * those of a service that is saturated. With it, so many steps a second are asked for in all.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { describeMachine } from './machine.mjs';
import { positive, SERVED } from './options.mjs';

/** Two and a half minutes a side at most: what it measures has settled long before. */
const LONGEST = 150;

function readOptions() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      ...SERVED,
      rate: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const number = (name) => positive(name, values[name]);
  return {
    seconds: Math.min(LONGEST, number('seconds')),
    sessions: Math.ceil(number('sessions')),
    cell: values.cell,
    size: Math.ceil(number('size')),
    vocabulary: Math.ceil(number('vocabulary')),
    precision: values.precision,
    topK: Math.ceil(number('top-k')),
    ...(values.lanes !== undefined && { lanes: Math.ceil(number('lanes')) }),
    ...(values.rate !== undefined && { rate: Math.ceil(number('rate')) }),
    json: values.json,
  };
}

/** A server in its own process. */
async function startServer({ cell, size, vocabulary, precision, sessions, lanes }, maxBatch) {
  const predictorOptions = { precision, ...(maxBatch && { maxBatch }), ...(lanes && { lanes }) };
  const child = fork(fileURLToPath(new URL('serve/server.mjs', import.meta.url)), [
    JSON.stringify({ cell, size, vocabulary, sessions, predictorOptions }),
  ]);
  await once(child, 'message');
  const ask = async (message = 'report') => {
    child.send(message);
    const [report] = await once(child, 'message');
    return report;
  };
  const stop = async () => {
    child.send('stop');
    await once(child, 'exit');
  };
  return { ask, stop };
}

async function openSessions(url, count) {
  const ids = [];
  for (let i = 0; i < count; i++) {
    const answer = await fetch(`${url}/v1/sessions`, { method: 'POST' });
    ids.push((await answer.json()).id);
  }
  return ids;
}

/** Each connection asks for the steps of one session, one after the other. */
function load(url, ids, { seconds, vocabulary, topK, rate }) {
  let next = 0;
  const headers = { 'content-type': 'application/json' };
  const setupClient = (client) => {
    const path = `/v1/sessions/${ids[next]}/step`;
    const token = next++ % vocabulary;
    client.setRequests([{ method: 'POST', path, headers, body: JSON.stringify({ token, topK }) }]);
  };
  const pace = rate === undefined ? {} : { overallRate: rate };
  return autocannon({ url, connections: ids.length, duration: seconds, timeout: 30, setupClient, ...pace });
}

async function measure(options, maxBatch) {
  const server = await startServer(options, maxBatch);
  try {
    const { url } = await server.ask();
    const ids = await openSessions(url, options.sessions);
    const start = await server.ask('start');
    const loading = load(url, ids, options);
    await sleep(options.seconds * 500);
    const middle = await server.ask();
    const result = await loading;
    const end = await server.ask();
    return {
      maxBatch: maxBatch ?? 64,
      stepsPerSecond: result.requests.average,
      meanBatch: end.stats.requests / end.stats.batches,
      latencyMs: { p50: result.latency.p50, p99: result.latency.p99, max: result.latency.max },
      errors: result.errors + result.timeouts + result.non2xx,
      rssMB: [start, middle, end].map(({ rss }) => Math.round(rss / 1e6)),
      eventLoopDelayMs: end.eventLoopDelay,
    };
  } finally {
    await server.stop();
  }
}

function print(name, { stepsPerSecond, meanBatch, latencyMs, errors, rssMB, eventLoopDelayMs }) {
  const { p50, p99 } = latencyMs;
  console.log(
    `${name.padEnd(16)} ${stepsPerSecond.toFixed(0).padStart(8)} steps/s   ${meanBatch.toFixed(1)} a batch   latency p50 ${p50} ms, p99 ${p99} ms   ` +
      `errors ${errors}   RSS ${rssMB.join(' → ')} MB   event loop late p99 ${eventLoopDelayMs.p99.toFixed(1)} ms`,
  );
}

const options = readOptions();
const { sessions, cell, size, precision, seconds } = options;
console.log(
  `${sessions} sessions of a ${cell} 1×${size} in ${precision}, ${seconds} s a side, server and load on one machine`,
);
const batched = await measure(options, undefined);
print('batches of 64', batched);
const single = await measure(options, 1);
print('one at a time', single);
const ratio = batched.stepsPerSecond / single.stepsPerSecond;
console.log(`ratio ${ratio.toFixed(2)}`);
if (options.json !== undefined) {
  const result = { machine: describeMachine(), options, batched, single, ratio };
  writeFileSync(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
}
if (batched.errors + single.errors > 0) process.exitCode = 1;
