/** Peers that come from npm: not installed with the package, since they weigh more than all the rest. */
import { existsSync } from 'node:fs';
import { here, Side } from '../side.mjs';

/** @throws where the package is not installed, with the command that installs it */
export function startInNode(name, file, workload, { cores }) {
  if (!existsSync(here(`peers/node_modules/${name}`))) {
    throw new Error(`${name} is not installed: npm ci --ignore-scripts --prefix bench/peers`);
  }
  return new Side(process.execPath, [here(`peers/${file}`), JSON.stringify(workload)], { cpus: cores });
}
