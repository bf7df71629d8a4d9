/**
 * The requests that are at work: each can be told to stop, by the client that goes away or by the end of the service.
 * Refuses to do: the work.
 */
import { setMaxListeners } from 'node:events';
import { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { CLIENT_GONE, HttpProblem } from './problem.js';

/** One request at work. */
export interface Job {
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** The request is answered, or given up. */
  end(): void;
}

/** What a request is told that comes too late. */
export const draining = (): HttpProblem =>
  new HttpProblem(503, 'DRAINING', 'Expected a service that takes requests, got one that is about to end', 1);

/** Whoever asks: a connection, with all requests that come over it. */
class Client {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  /** Requests at work. */
  jobs = 0;

  constructor() {
    // One for each request and what it asks for: as many as a client cares to send before it has its answers.
    setMaxListeners(0, this.signal);
  }

  abort(reason: unknown): void {
    if (this.jobs > 0) this.#controller.abort(reason);
  }
}

/** All requests at work. */
export class Work {
  /** Of connections over HTTP/1. A signal for each request was a twentieth of what it left to the garbage collector, with weak references besides. */
  readonly #connections = new WeakMap<Socket, Client>();
  /** Those with requests at work. */
  readonly #clients = new Set<Client>();
  readonly #most: number;
  #running = 0;
  #draining = false;
  #drained: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  /** @param most - jobs at the same time */
  constructor(most: number) {
    this.#most = most;
  }

  /** Requests that are at work now. */
  get running(): number {
    return this.#running;
  }

  /** Whether new requests are turned away. */
  get isDraining(): boolean {
    return this.#draining;
  }

  /**
   * From now on there is no new work.
   *
   * @param patience - milliseconds after which what still runs is told to stop
   * @returns when nothing runs any more, or has been told to stop
   */
  drain(patience: number): Promise<void> {
    this.#drained ??= this.#drain(patience);
    return this.#drained;
  }

  async #drain(patience: number): Promise<void> {
    this.#draining = true;
    if (this.#running === 0) return;
    await new Promise<void>((done) => {
      const timer = setTimeout(done, patience);
      this.#onIdle = () => {
        clearTimeout(timer);
        done();
      };
    });
    this.abort();
  }

  /** Tells all that runs to stop. */
  abort(): void {
    for (const client of this.#clients) client.abort(draining());
  }

  /** @throws HttpProblem (503) where there is too much, or no more is taken */
  begin(response: ServerResponse): Job {
    if (this.#draining) throw draining();
    if (this.#running >= this.#most) {
      const message = `Expected at most ${this.#most} requests at the same time, got one more`;
      throw new HttpProblem(503, 'OVERLOADED', message, 1);
    }
    const client = this.#client(response);
    if (client.jobs++ === 0) this.#clients.add(client);
    this.#running++;
    // Gone before its work began: its connection will not say so again.
    if (response.req.socket?.destroyed) client.abort(CLIENT_GONE);
    let isOpen = true;
    const end = () => {
      if (!isOpen) return;
      isOpen = false;
      if (--client.jobs === 0) this.#clients.delete(client);
      if (--this.#running === 0) this.#onIdle?.();
    };
    return { signal: client.signal, end };
  }

  #client(response: ServerResponse): Client {
    // The request's: a response has its socket only when those before it on the connection are done.
    const { socket } = response.req;
    // HTTP/2 has many streams on a connection, an injected request has none.
    if (!(response instanceof ServerResponse && socket instanceof Socket)) {
      const client = new Client();
      // The response's event: the request's own comes as soon as its body has been read.
      response.once('close', () => {
        if (!response.writableFinished) client.abort(CLIENT_GONE);
      });
      return client;
    }
    const known = this.#connections.get(socket);
    if (known !== undefined) return known;
    const client = new Client();
    this.#connections.set(socket, client);
    socket.once('close', () => client.abort(CLIENT_GONE));
    return client;
  }
}
