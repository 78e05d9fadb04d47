import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectFailure } from '../../support/matchers.ts';
import { type ListedEntry, listTar } from '../../support/oracles/tar-listing.ts';

const LONG = Array.from({ length: 6 }, (_, index) => `${index}-${'long-component-'.repeat(3)}`).join('/');
const NOT_UTF8 = Buffer.from([0x6e, 0xff, 0xe4, 0x80]);
const OWNER = ['--owner=:1234', '--group=:5678', '--mtime=@1500000000'];

let tree: string;

beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), 'sealift-gnu-tar-'));
  mkdirSync(join(tree, 'directory'), { mode: 0o750 });
  writeFileSync(join(tree, 'directory/empty'), '');
  writeFileSync(join(tree, 'directory/block'), Buffer.alloc(512, 'b'));
  writeFileSync(join(tree, 'directory/large'), Buffer.alloc(70_000, 'l'));
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), NOT_UTF8]), 'not utf-8');
  linkSync(join(tree, 'directory/large'), join(tree, 'hardlink'));
  symlinkSync('../directory/large', join(tree, 'symlink'));
  execFileSync('mkfifo', [join(tree, 'fifo')]);
});

afterAll(() => rmSync(tree, { recursive: true, force: true }));

function gnuTar(format: string, ...more: readonly string[]): Buffer {
  return execFileSync('tar', ['--format', format, '--sort=name', ...more, '-C', tree, '-cf', '-', '.'], {
    maxBuffer: 1 << 24,
  });
}

function byName(entries: readonly ListedEntry[]): ReadonlyMap<string, ListedEntry> {
  return new Map(entries.map((entry) => [entry.unsafeName, entry]));
}

describe('readTar on archives that GNU tar wrote', () => {
  it.each(['v7', 'oldgnu', 'ustar', 'gnu', 'pax'])('reads every type and attribute in %s form', (format) => {
    // V7 has neither fifos nor other special files.
    const entries = byName(listTar(gnuTar(format, ...OWNER, ...(format === 'v7' ? ['--exclude=./fifo'] : []))));
    const common = { uid: 1234, gid: 5678, mtime: { seconds: 1_500_000_000, nanoseconds: 0 } };
    expect(entries.get('./')).toMatchObject({ type: 'directory', ...common });
    expect(entries.get('./directory/')).toMatchObject({ type: 'directory', mode: 0o750, ...common });
    expect(entries.get('./directory/empty')).toMatchObject({ type: 'file', content: '', ...common });
    expect(entries.get('./directory/block')).toMatchObject({ type: 'file', content: 'b'.repeat(512), ...common });
    expect(entries.get('./directory/large')).toMatchObject({ type: 'file', content: 'l'.repeat(70_000), ...common });
    expect(entries.get('./hardlink')).toMatchObject({ type: 'hardlink', unsafeLinkname: './directory/large' });
    expect(entries.get('./symlink')).toMatchObject({ type: 'symlink', unsafeLinkname: '../directory/large' });
    expect(entries.get(`./${NOT_UTF8.toString('latin1')}`)).toMatchObject({ type: 'file', content: 'not utf-8' });
    if (format !== 'v7') expect(entries.get('./fifo')).toMatchObject({ type: 'fifo' });
    expect(entries.size).toBe(format === 'v7' ? 8 : 9);
  });

  it.each(['oldgnu', 'gnu', 'pax'])('reads long names and links in %s form', (format) => {
    mkdirSync(join(tree, LONG), { recursive: true });
    symlinkSync(`/${LONG}`, join(tree, LONG, 'link'));
    const entries = byName(listTar(gnuTar(format)));
    rmSync(join(tree, LONG.slice(0, LONG.indexOf('/'))), { recursive: true });
    expect(entries.get(`./${LONG}/link`)).toMatchObject({ type: 'symlink', unsafeLinkname: `/${LONG}` });
  });

  it.each(['oldgnu', 'gnu', 'pax'])('reads owners and times that octal cannot hold in %s form', (format) => {
    const entries = byName(listTar(gnuTar(format, '--owner=:4000000000', '--group=:3000000', '--mtime=@-86401')));
    expect(entries.get('./directory/')).toMatchObject({
      uid: 4_000_000_000,
      gid: 3_000_000,
      mtime: { seconds: -86_401, nanoseconds: 0 },
    });
  });

  it('reads times to the nanosecond in pax form, before 1970 too', () => {
    const [entry] = listTar(gnuTar('pax', '--no-recursion', '--mtime=1969-12-31 23:59:58.25 UTC'));
    expect(entry?.mtime).toEqual({ seconds: -2, nanoseconds: 250_000_000 });
    utimesSync(join(tree, 'directory'), 5.5, 5.5);
    expect(byName(listTar(gnuTar('pax'))).get('./directory/')?.mtime).toEqual({ seconds: 5, nanoseconds: 500_000_000 });
  });

  it.each(['oldgnu', 'gnu'])('refuses sparse files in %s form', async (format) => {
    execFileSync('truncate', ['--size=1M', join(tree, 'sparse')]);
    const archive = gnuTar(format, '--sparse', '--hole-detection=raw');
    rmSync(join(tree, 'sparse'));
    await expectFailure('TAR_UNSUPPORTED', () => listTar(archive));
  });

  it('refuses the label of a volume', async () => {
    await expectFailure('TAR_UNSUPPORTED', () => listTar(gnuTar('gnu', '--label=volume')));
  });
});
