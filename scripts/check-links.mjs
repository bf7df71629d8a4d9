/**
 * Fails where a relative link or picture of a Markdown file that is committed leads nowhere: to a file that is not committed, or to a
 * heading that is not there. Links to other hosts are not followed; reference links and HTML are not read.
 *
 *   node scripts/check-links.mjs
 */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expectSuccess, root } from './checks.mjs';

const listed = await expectSuccess('git', ['ls-files', '-z']);
const files = new Set(listed.split('\0').filter((path) => path !== ''));
const folders = new Set(['.']);
for (const file of files) for (let at = dirname(file); at !== '.'; at = dirname(at)) folders.add(at);

/** What the file says outside of code. */
const prose = (path) =>
  readFileSync(join(root, path), 'utf8')
    .replace(/^(```+|~~~+)[\s\S]*?^\1\s*$/gm, '')
    .replace(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ''));

/** The anchors of a file's headings, as GitHub makes them. */
function anchors(path) {
  const seen = new Map();
  const found = new Set();
  for (const [, heading] of prose(path).matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = text.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    found.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return found;
}

/** @returns what is wrong with a link, or nothing */
function fault(from, target) {
  if (!/^(?:[^%]|%[0-9a-f]{2})*$/i.test(target)) return 'a % that encodes nothing';
  const [path, anchor] = decodeURIComponent(target).split('#');
  const to = path === '' ? from : normalize(join(dirname(from), path)).replace(/\/$/, '');
  if (!files.has(to) && !folders.has(to)) return `no committed file ${to}`;
  if (anchor !== undefined && to.endsWith('.md') && !anchors(to).has(anchor)) return `no heading #${anchor} in ${to}`;
  return undefined;
}

let links = 0;
let wrong = 0;
for (const file of files) {
  if (!file.endsWith('.md')) continue;
  for (const [, target] of prose(file).matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) continue;
    links++;
    const found = fault(file, target);
    if (found === undefined) continue;
    wrong++;
    console.log(`✖ ${file}: ${target}: ${found}`);
  }
}
console.log(`${links} links, ${wrong} of them lead nowhere`);
if (links === 0 || wrong > 0) process.exitCode = 1;
