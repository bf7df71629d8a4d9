/**
 * The server side of `npm run bench:serve`: a service in a process of its own, which tells its memory and how late its event loop
 * is when it is asked. Options come as JSON in the first argument.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { LanguageModel, Vocabulary } from 'timernn';
import { servedLanes } from '../../dist/serve/options.js';
import { startServer } from '../../dist/serve/server.js';

const { cell, size, vocabulary, predictorOptions, sessions } = JSON.parse(process.argv[2]);
/** Milliseconds between two looks; the histogram counts them as delay. */
const RESOLUTION = 1;

const model = new LanguageModel({
  vocabulary: Vocabulary.ofSize(vocabulary),
  embedding: 64,
  layers: [{ cell, size }],
});
const predictor = await model.predictor({ lanes: servedLanes(), ...predictorOptions });
const server = await startServer({
  service: { predictor, metrics: false, limits: { maxSessions: sessions } },
  host: '127.0.0.1',
  port: 0,
  logLevel: 'silent',
  requestTimeout: 30,
  connectionTimeout: 120,
});
const delays = monitorEventLoopDelay({ resolution: RESOLUTION });
const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION);

process.on('message', async (message) => {
  if (message === 'start') delays.enable();
  if (message === 'stop') {
    await server.close();
    process.disconnect();
    return;
  }
  process.send({
    url: server.url,
    stats: predictor.stats,
    rss: process.memoryUsage.rss(),
    eventLoopDelay: { p50: late(delays.percentile(50)), p99: late(delays.percentile(99)), max: late(delays.max) },
  });
});
process.send('ready');
