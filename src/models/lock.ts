/**
 * Readers and writers of a model's parameters: a round writes, everything else reads. In turn, first come first served,
 * so that a saved model or a generated text never sees half an update.
 */

/** A fair lock for many readers or one writer. */
export class ReadWriteLock {
  #queue: { write: boolean; go: () => void }[] = [];
  #readers = 0;
  #writing = false;

  /** Runs `body` while no writer runs. */
  read<T>(body: () => Promise<T>): Promise<T> {
    return this.#hold(false, body);
  }

  /** Runs `body` alone. */
  write<T>(body: () => Promise<T>): Promise<T> {
    return this.#hold(true, body);
  }

  async #hold<T>(write: boolean, body: () => Promise<T>): Promise<T> {
    await new Promise<void>((go) => {
      this.#queue.push({ write, go });
      this.#admit();
    });
    try {
      return await body();
    } finally {
      if (write) this.#writing = false;
      else this.#readers--;
      this.#admit();
    }
  }

  #admit(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (this.#writing || (next.write && this.#readers > 0)) return;
      this.#queue.shift();
      if (next.write) this.#writing = true;
      else this.#readers++;
      next.go();
    }
  }
}
