/**
 * Metrics for Prometheus, by prom-client, which is loaded here and nowhere else.
 * Refuses to do: labels that a client decides on. Routes go by their patterns, never by their URLs.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Registry } from 'prom-client';
import { TimeRNNError } from '../errors.js';
import type { PredictorStats } from '../sessions/types.js';
import type { Service } from './service.js';

type PromClient = typeof import('prom-client');

/** From a tenth of a millisecond, which a step of a small model takes, to a long generation. Seconds. */
const BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const QUANTILES = [50, 90, 99];
/** Milliseconds between two looks at the event loop; the histogram counts them as delay. */
const RESOLUTION = 10;

/** Where requests are counted. */
export interface Metrics {
  observe(method: string, route: string, status: number, seconds: number): void;
  /** The text that Prometheus reads, and its type. */
  read(): Promise<{ type: string; text: string }>;
  close(): void;
}

async function loadPromClient(): Promise<PromClient> {
  try {
    const loaded = (await import('prom-client')) as PromClient & { default?: PromClient };
    return loaded.default ?? loaded;
  } catch (cause) {
    const message =
      'Expected prom-client to be installed for /metrics, got none: npm install prom-client@15, or do without (metrics: false, --no-metrics)';
    throw new TimeRNNError('ERR_TIMERNN_OPTION', message, { cause });
  }
}

/** Numbers that only grow, read from their source when somebody asks. */
function counters(prom: PromClient, registry: Registry, all: [name: string, help: string, read: () => number][]): void {
  for (const [name, help, read] of all) {
    new prom.Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }
}

function gauges(prom: PromClient, registry: Registry, all: [name: string, help: string, read: () => number][]): void {
  for (const [name, help, read] of all) {
    new prom.Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  }
}

function watchService(prom: PromClient, registry: Registry, service: Service): void {
  const stat = (name: keyof PredictorStats) => () => service.predictorIfReady?.stats[name] ?? 0;
  const { sessions, work } = service;
  gauges(prom, registry, [
    ['timernn_ready', 'Whether requests are taken', () => Number(service.readiness === 'ready')],
    ['timernn_http_requests_running', 'HTTP requests at work', () => work.running],
    ['timernn_predictor_queued', 'Requests that wait for a batch', stat('queued')],
    ['timernn_predictor_running', 'Requests in batches that run', stat('running')],
    ['timernn_sessions', 'Sessions that are kept', () => sessions.size],
  ]);
  counters(prom, registry, [
    ['timernn_predictor_requests_total', 'Requests that the predictor answered', stat('requests')],
    ['timernn_predictor_batches_total', 'Batches that ran', stat('batches')],
    ['timernn_predictor_tokens_total', 'Tokens read or sampled', stat('tokens')],
    ['timernn_predictor_refused_total', 'Requests refused because the queue was full', stat('refused')],
    ['timernn_predictor_cancelled_total', 'Requests that were taken back', stat('cancelled')],
    ['timernn_sessions_created_total', 'Sessions opened', () => sessions.counts.created],
    ['timernn_sessions_expired_total', 'Sessions that nobody asked for too long', () => sessions.counts.expired],
    ['timernn_sessions_refused_total', 'Sessions refused because there were too many', () => sessions.counts.refused],
  ]);
}

/** How late timers were since the last scrape. */
function watchEventLoop(prom: PromClient, registry: Registry): IntervalHistogram {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION });
  delays.enable();
  new prom.Gauge({
    name: 'timernn_event_loop_delay_seconds',
    help: 'How late the event loop was since the last scrape, by quantile',
    labelNames: ['quantile'],
    registers: [registry],
    collect() {
      const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - RESOLUTION / 1e3);
      for (const each of QUANTILES) this.set({ quantile: String(each / 100) }, late(delays.percentile(each)));
      this.set({ quantile: '1' }, delays.count === 0 ? 0 : late(delays.max));
      delays.reset();
    },
  });
  return delays;
}

/** @throws ERR_TIMERNN_OPTION where prom-client is not installed */
export async function createMetrics(service: Service, given: boolean | Registry): Promise<Metrics | undefined> {
  if (given === false) return undefined;
  const prom = await loadPromClient();
  const registry = given === true ? new prom.Registry() : given;
  const requests = new prom.Histogram({
    name: 'timernn_http_request_duration_seconds',
    help: 'HTTP requests by route and status; 499: the client went away',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers: [registry],
  });
  watchService(prom, registry, service);
  const delays = watchEventLoop(prom, registry);
  return {
    observe: (method, route, status, seconds) => requests.observe({ method, route, status: String(status) }, seconds),
    read: async () => ({ type: registry.contentType, text: await registry.metrics() }),
    close: () => delays.disable(),
  };
}
