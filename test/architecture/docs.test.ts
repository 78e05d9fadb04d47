import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listFiles, PROJECT_ROOT } from './source-files.ts';

const read = (path: string): string => readFileSync(join(PROJECT_ROOT, path), 'utf8');
const exists = (path: string): boolean => existsSync(join(PROJECT_ROOT, path));

/** Fenced code shows what users type, which is neither a link nor a path of this repository. */
const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '');

const PAGES = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'scripts/bench/README.md'].filter(exists),
  ...listFiles('docs', '.md'),
  ...listFiles('src', '.md'),
  ...listFiles('test', '.md'),
];

/** The numbered promises of docs/SECURITY.md, each with its number. */
function readPromises(): readonly { readonly number: number; readonly text: string }[] {
  const [, section = ''] = /^## What is promised$([\s\S]*?)^## /m.exec(read('docs/SECURITY.md')) ?? [];
  return section
    .split(/^(?=\d+\. )/m)
    .slice(1)
    .map((text) => ({ number: Number.parseInt(text, 10), text }));
}

describe('docs/SECURITY.md', () => {
  const promises = readPromises();

  it('numbers its promises from 1 on', () => {
    expect(promises.length).toBeGreaterThan(9);
    expect(promises.map(({ number }) => number)).toEqual(promises.map((_, index) => index + 1));
  });

  it.each(promises)('promise $number names the tests that hold it', ({ text }) => {
    expect(text).toMatch(/Tests: `test\/[^`]+\.test\.ts`/);
  });
});

it.each(listFiles('docs/adr', '.md').filter((path) => !path.endsWith('README.md')))(
  '%s says which files obey it',
  (path) => {
    const [, named = ''] = /^\*\*Obeyed by\.\*\*([\s\S]*)/m.exec(read(path)) ?? [];
    const files = [...named.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file);
    expect(files).not.toEqual([]);
    expect(files.filter((file) => !exists(file))).toEqual([]);
  },
);

it('docs/adr/README.md lists every decision', () => {
  const index = read('docs/adr/README.md');
  const files = listFiles('docs/adr', '.md').map((path) => posix.basename(path));
  expect(files.filter((file) => file !== 'README.md' && !index.includes(`](${file})`))).toEqual([]);
});

it('comments name only documents that exist', () => {
  const named = listFiles('src').flatMap((path) =>
    [...read(path).matchAll(/(?<!\/)docs\/[\w/-]+\.md/g)].map(([name]) => name),
  );
  expect([...new Set(named)].filter((path) => !exists(path))).toEqual([]);
});

it('docs/ARCHITECTURE.md has a row for every room, and for no other', () => {
  const rows = [...read('docs/ARCHITECTURE.md').matchAll(/^\| ((?:`[a-z-]+`(?:, )?)+) \|/gm)];
  const named = rows.flatMap(([, names = '']) => [...names.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name));
  const rooms = readdirSync(join(PROJECT_ROOT, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(named.toSorted()).toEqual(rooms.map(({ name }) => name).toSorted());
});

/** How GitHub names the heading `text` in an address. */
function anchorOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\- _]/gu, '')
    .replaceAll(' ', '-');
}

function brokenLinks(page: string): string[] {
  const links = [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : posix.join(posix.dirname(page), path);
    if (!exists(target)) return true;
    if (anchor === undefined) return false;
    return !headingsOf(target).includes(anchor);
  });
}

function headingsOf(page: string): string[] {
  return [...withoutCode(read(page)).matchAll(/^#+ (.+)$/gm)].map(([, text = '']) => anchorOf(text));
}

describe.each(PAGES)('%s', (page) => {
  it('has no link that leads nowhere', () => {
    expect(brokenLinks(page)).toEqual([]);
  });

  it('names no file of this repository that does not exist', () => {
    const named = [...withoutCode(read(page)).matchAll(/`((?:src|test|scripts|config|docs)\/[\w./-]+)`/g)];
    expect(named.map(([, path = '']) => path).filter((path) => !exists(path))).toEqual([]);
  });
});
