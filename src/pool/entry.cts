/**
 * What every thread of a pool starts as: it imports the module that does the work with the first task.
 *
 * CommonJS, because Piscina calls `require` on the file it is given. With an ES module, Node 20 ends the whole process
 * (`v8::Module::IsGraphAsync must be used on an instantiated module`) where a thread is terminated at the moment in which
 * `require` links it; with `import()` the thread just ends.
 */
import threads = require('node:worker_threads');

/** The URL of an ES module with the function that does a task as its default export. */
const { entry } = threads.workerData as { entry: string };
let loaded: Promise<{ default(task: unknown): unknown }> | undefined;

async function work(task: unknown): Promise<unknown> {
  loaded ??= import(entry);
  return (await loaded).default(task);
}

export = work;
