/**
 * The service behind the routes: the predictor once it is there, the sessions, the work that runs, and how all of it ends.
 * Refuses to do: HTTP (see `plugin.ts` and `routes/`).
 */
import type { ServedPredictor } from './engine.js';
import type { Settings } from './options.js';
import { HttpProblem } from './problem.js';
import { bodySchemas } from './schemas.js';
import { SessionStore } from './session-store.js';
import { Work } from './work.js';

/** How often sessions that expired are looked for, so that their memory comes back without a request. */
const SWEEP_MS = 30_000;

/** Whether a service takes requests. */
export type Readiness = 'ready' | 'loading' | 'failed' | 'draining';

/** One mounted service. */
export class Service {
  readonly settings: Settings;
  readonly bodies: ReturnType<typeof bodySchemas>;
  readonly sessions: SessionStore;
  readonly work: Work;
  readonly #packing: Promise<ServedPredictor>;
  #sweeper: NodeJS.Timeout | undefined;
  #predictor: ServedPredictor | undefined;
  #failure: unknown;

  constructor(settings: Settings) {
    this.settings = settings;
    this.bodies = bodySchemas(settings.limits);
    this.sessions = new SessionStore(settings.limits, settings.now);
    this.work = new Work(settings.limits.maxConcurrent);
    const { model, predictor, predictorOptions } = settings;
    this.#packing = Promise.resolve(predictor ?? model!.predictor(predictorOptions));
    this.#packing.then(
      (ready) => {
        this.#predictor = ready;
      },
      (error: unknown) => {
        this.#failure = error;
      },
    );
    this.#sweeper = setInterval(() => this.sessions.sweep(), SWEEP_MS).unref();
  }

  /** Settles when the model is packed. @throws what kept it from that */
  async packed(): Promise<void> {
    await this.#packing;
  }

  /** Whether requests are taken. */
  get readiness(): Readiness {
    if (this.work.isDraining) return 'draining';
    if (this.#failure !== undefined) return 'failed';
    return this.#predictor === undefined ? 'loading' : 'ready';
  }

  /** What went wrong where the readiness is `failed`. */
  get failure(): unknown {
    return this.#failure;
  }

  /** The predictor, where there is one already. */
  get predictorIfReady(): ServedPredictor | undefined {
    return this.#predictor;
  }

  /** @throws HttpProblem (503) before the model is packed */
  get predictor(): ServedPredictor {
    if (this.#predictor !== undefined) return this.#predictor;
    const got = this.#failure === undefined ? 'one that is still being packed' : 'one that did not come';
    throw new HttpProblem(503, 'NOT_READY', `Expected a model that is ready, got ${got}`, 1);
  }

  /** Takes no more requests; resolves when none runs, at the latest after the drain timeout. */
  drain(): Promise<void> {
    return this.work.drain(this.settings.limits.drainTimeout * 1000);
  }

  /** Lets go of the sessions, and of the predictor where the service made it. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
    this.sessions.clear();
    if (this.settings.model === undefined) return;
    const predictor = await this.#packing.catch(() => undefined);
    await predictor?.close();
  }
}
