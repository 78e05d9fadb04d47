import { describe, expect, it } from 'vitest';
import { MemberTable } from '../../../src/archive/member-table.ts';
import type { TarMember } from '../../../src/archive/types.ts';
import { expectFailure } from '../../support/matchers.ts';

const file = (name: string, offset = 512): TarMember => ({ name, kind: 'file', target: '', offset, size: 1 });
const link = (kind: 'symlink' | 'hardlink', name: string, target: string): TarMember => {
  return { name, kind, target, offset: 0, size: 0 };
};
const other = (name: string): TarMember => ({ name, kind: 'other', target: '', offset: 0, size: 0 });

describe('MemberTable', () => {
  it.each(['index.json', './index.json', '/index.json', 'a/../index.json', './/index.json'])(
    'finds a member that stands there as %s',
    (name) => {
      expect(new MemberTable([file(name, 1024)]).findFile('index.json')?.offset).toBe(1024);
    },
  );

  it('finds nothing where nothing is', () => {
    expect(new MemberTable([file('index.json')]).findFile('oci-layout')).toBeUndefined();
  });

  it('follows one link: a symlink from its directory, a hard link from the root', () => {
    const table = new MemberTable([
      file('one/layer.tar', 2048),
      link('symlink', 'two/layer.tar', '../one/layer.tar'),
      link('hardlink', 'three/layer.tar', 'one/layer.tar'),
    ]);
    expect(table.findFile('two/layer.tar')?.offset).toBe(2048);
    expect(table.findFile('three/layer.tar')?.offset).toBe(2048);
  });

  it('finds nothing behind a link to nothing', () => {
    expect(new MemberTable([link('symlink', 'a', 'b')]).findFile('a')).toBeUndefined();
  });

  it.each<[what: string, members: readonly TarMember[]]>([
    ['a name twice', [file('a'), file('a')]],
    ['a name twice in two spellings', [file('a'), file('./a')]],
    ['a file and a directory of one name', [other('a/'), file('a')]],
    ['a link to a name that is there twice', [link('symlink', 'a', 'b'), file('b'), file('b')]],
    ['a link to a link', [link('symlink', 'a', 'b'), link('symlink', 'b', 'c'), file('c')]],
    ['a link to itself', [link('symlink', 'a', 'a')]],
    ['an absolute link', [link('symlink', 'a', '/etc/passwd')]],
    ['a link out of the archive', [link('symlink', 'a', '../b'), file('b')]],
    ['a hard link out of the archive', [link('hardlink', 'a', '../../b'), file('b')]],
    ['a directory', [other('a')]],
  ])('refuses %s', async (_, members) => {
    await expectFailure('ARCHIVE_INVALID', () => new MemberTable(members).findFile('a'));
  });

  it('is not disturbed by a name twice that nobody asks for', () => {
    expect(new MemberTable([file('x'), file('x'), file('a', 4096)]).findFile('a')?.offset).toBe(4096);
  });

  it.each(['../index.json', 'a/../../b'])('refuses an archive with the name %s', async (name) => {
    await expectFailure('ARCHIVE_INVALID', () => new MemberTable([file(name)]));
  });

  it('refuses to look for what lies outside', async () => {
    await expectFailure('ARCHIVE_INVALID', () => new MemberTable([]).findFile('../a'));
  });
});
