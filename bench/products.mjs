/**
 * npm run bench:products: builds `products.cpp` against the native core of the addon (npm run build) and runs it. One
 * core; a minute.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { here } from './side.mjs';

const core = here('../build/native/libtimernn_core.a');
const folder = here('../build/bench');
const program = `${folder}/products`;

/** Flags that link the BLAS the core was built with. */
function blas() {
  const found = spawnSync('pkg-config', ['--libs', 'openblas'], { encoding: 'utf8' });
  return found.status === 0 ? found.stdout.trim().split(/\s+/) : ['-lopenblas'];
}

if (!existsSync(core)) {
  console.error('bench: the native core is missing; npm run build makes it');
  process.exit(1);
}
mkdirSync(folder, { recursive: true });
const flags = ['-O2', '-std=c++20', `-I${here('../native')}`, here('products.cpp'), core, '-o', program, ...blas()];
execFileSync(process.env.CXX || 'c++', [...flags, '-pthread'], { stdio: 'inherit' });
const { status } = spawnSync(program, { stdio: 'inherit' });
process.exitCode = status ?? 1;
