/** Answers the benchmark's commands for a peer that runs in Node: see `ours.mjs` for what they are. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Version of a package in this folder. */
export function version(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
}

/** `step()` runs one training step and returns how many tokens it took. */
export async function serve({ version, chosen, step }) {
  const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
  answer({ ready: true, version: `${version} (Node ${process.versions.node})` });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    if (command.cmd === 'quit') return;
    try {
      const start = performance.now();
      let tokens = 0;
      do tokens += await step();
      while (performance.now() - start < command.seconds * 1000);
      const seconds = (performance.now() - start) / 1000;
      answer({ chosen, tokens, seconds, peakRss: process.resourceUsage().maxRSS * 1024 });
    } catch (error) {
      answer({ error: String(error?.message ?? error) });
    }
  }
}
