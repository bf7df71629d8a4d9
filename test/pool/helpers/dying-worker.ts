/** A worker whose rank 1 dies in the way that the run's `mode` says; the other ranks do what they always do. */
import Piscina from 'piscina';
import type { Outcome, Task } from '#src/pool/protocol.js';
import work from '#src/pool/worker.js';

const { mode } = (Piscina.workerData as { run: { mode: string } }).run;
if (mode === 'bootstrap') process.exit(3);
if (mode === 'import') throw new Error('cannot be loaded');

export default async function dyingWork(task: Task): Promise<Outcome> {
  if (mode === 'prepare' && task.kind === 'prepare') process.exit(3);
  if (task.kind === 'round' && task.rank === 1) {
    switch (mode) {
      case 'exit':
        process.exit(3);
        break;
      case 'reject':
        throw new Error('rank 1 rejects');
      case 'throw':
        setImmediate(() => {
          throw new Error('rank 1 throws');
        });
        return new Promise(() => {});
      case 'memory':
        for (const kept: unknown[] = []; ; ) kept.push(new Array(1e6).fill(kept));
      case 'hang':
        // Alive, but it never comes to the barrier where the others wait.
        return new Promise(() => {});
    }
  }
  return work(task);
}
