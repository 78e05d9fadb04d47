import { describe, expect, it, vi } from 'vitest';
import { resolveUser, type UserDatabase } from '../../../src/bundle/resolve-user.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const PASSWD = [
  '# users',
  '',
  'root:x:0:0:root:/root:/bin/sh',
  'app:x:1000:1001:App:/home/app:/bin/sh',
  'app:x:2000:2000:second entry of the same name:/other:/bin/sh',
  'nohome:x:1500:1500',
  '1234:x:0:0:a name made of digits:/root:/bin/sh',
  'bigid:x:2147483648:0::/:',
  'wrapped:x:4294967296:0::/:',
  'emptyid:x:::::',
  'negative:x:-1:0::/:',
  'hexid:x:0x10:0::/:',
  'short',
  'badgid:x:7:99999999999::/:',
  'relative:x:8:8::home:',
].join('\n');

const GROUP = [
  'root:x:0:root',
  'app:x:1001:',
  'audio:x:29:app,other',
  'video:x:44:other,app',
  'primary:x:1001:app',
  'badgroup:x:-5:baduser',
  'nogid',
  'dup:x:29:app',
].join('\n');

const DATABASE: UserDatabase = { passwd: PASSWD, group: GROUP };
const resolve = (user: string, database = DATABASE) => resolveUser(user, database, DEFAULT_LIMITS);
const refuse = (user: string, database = DATABASE) =>
  expectFailure('BUNDLE_USER_INVALID', () => resolve(user, database));

describe('resolveUser', () => {
  it.each([
    ['', { uid: 0, gid: 0, additionalGids: [], home: '/root' }],
    ['root', { uid: 0, gid: 0, additionalGids: [], home: '/root' }],
    ['0', { uid: 0, gid: 0, additionalGids: [], home: '/root' }],
    ['app', { uid: 1000, gid: 1001, additionalGids: [29, 44], home: '/home/app' }],
    ['1000', { uid: 1000, gid: 1001, additionalGids: [29, 44], home: '/home/app' }],
    ['app:video', { uid: 1000, gid: 44, additionalGids: [], home: '/home/app' }],
    ['app:55', { uid: 1000, gid: 55, additionalGids: [], home: '/home/app' }],
    ['1000:audio', { uid: 1000, gid: 29, additionalGids: [], home: '/home/app' }],
    ['77', { uid: 77, gid: 0, additionalGids: [], home: undefined }],
    ['77:88', { uid: 77, gid: 88, additionalGids: [], home: undefined }],
    ['2147483647:2147483647', { uid: 2147483647, gid: 2147483647, additionalGids: [], home: undefined }],
    ['007', { uid: 7, gid: 3, additionalGids: [], home: undefined }],
    ['nohome', { uid: 1500, gid: 1500, additionalGids: [], home: undefined }],
    ['relative', { uid: 8, gid: 8, additionalGids: [], home: undefined }],
  ])('"%s" is %o', (user, expected) => {
    const database = user === '007' ? { passwd: 'seven:x:7:3', group: undefined } : DATABASE;
    expect(resolve(user, database)).toEqual(expected);
  });

  it('takes a name of digits for a number, never for the name (CVE-2026-46680)', () => {
    expect(resolve('1234')).toEqual({ uid: 1234, gid: 0, additionalGids: [], home: undefined });
  });

  it.each(['2147483648', '4294967296', '99999999999999999999999', '-1', '+5', '1000:2147483648', '1000:-1', '1-2'])(
    'refuses the out-of-range or signed number "%s" (CVE-2024-40635)',
    async (user) => {
      const passwd = `${user.split(':')[0]}:x:0:0::/:\n${PASSWD}`;
      await refuse(user, { passwd, group: GROUP });
    },
  );

  it.each([
    ['nobody', 'an unknown user'],
    ['app:nobody', 'an unknown group'],
    ['App', 'another spelling'],
    ['app:', 'an empty group'],
    [':app', 'an empty user'],
    [':', 'nothing on both sides'],
    ['app:app:app', 'three parts'],
    ['bigid', 'an entry with a uid over 2³¹−1'],
    ['wrapped', 'an entry whose uid is 0 modulo 2³²'],
    ['emptyid', 'an entry without ids'],
    ['negative', 'an entry with a negative uid'],
    ['hexid', 'an entry with a hexadecimal uid'],
    ['short', 'an entry without fields'],
    ['badgid', 'an entry with a gid out of range'],
    ['app:badgroup', 'a group entry with a negative gid'],
    ['app:nogid', 'a group entry without a gid'],
    ['# users', 'a comment line'],
    ['app\n', 'a name with a newline'],
  ])('refuses "%s": %s', async (user) => {
    await refuse(user);
  });

  it('refuses a membership in a group whose gid is not one', async () => {
    await refuse('baduser', { passwd: 'baduser:x:5:5::/:', group: GROUP });
  });

  it('needs no files for numbers, and refuses names without them', async () => {
    const empty = { passwd: undefined, group: undefined };
    expect(resolveUser('5:6', empty, DEFAULT_LIMITS)).toEqual({ uid: 5, gid: 6, additionalGids: [], home: undefined });
    expect(resolveUser('', empty, DEFAULT_LIMITS)).toEqual({ uid: 0, gid: 0, additionalGids: [], home: undefined });
    await expectFailure('BUNDLE_USER_INVALID', () => resolveUser('root', empty, DEFAULT_LIMITS));
  });

  it('gives a numeric user without entry no groups, even if a group lists an empty member', () => {
    expect(resolve('77', { passwd: PASSWD, group: 'g:x:9:,' }).additionalGids).toEqual([]);
  });

  it.each([
    ['part of another member', 'g:x:5:xu,u1,uu', []],
    ['the first member', 'g:x:5:u,v', [5]],
    ['the last member', 'g:x:5:v,u', [5]],
    ['the only member', 'g:x:5:u', [5]],
    ['the name of the group', 'u:x:5:', []],
    ['behind another colon', 'g:x:5:v:u', []],
    ['in a line without members', 'g:x:5', []],
    ['in a comment', '#g:x:5:u', []],
    ['between empty members and empty lines', '\n\n\ng:x:5:,,u,,\n\n', [5]],
  ])('finds a member that is %s, and no other', (_, group, additionalGids) => {
    expect(resolve('u', { passwd: 'u:x:1:2::/:', group }).additionalGids).toEqual(additionalGids);
  });

  it('never cuts a whole file into pieces, which would take seconds for millions of lines', () => {
    const split = vi.spyOn(String.prototype, 'split');
    const text = '\na\n:\n'.repeat(10_000);
    try {
      expect(() => resolve('u', { passwd: text, group: text })).toThrow('expected a user');
      expect(split.mock.contexts.filter((piece) => String(piece).length > 10)).toEqual([]);
    } finally {
      split.mockRestore();
    }
  });

  it('refuses a line and a number of groups beyond the limits, one less passes', async () => {
    const limits = { ...DEFAULT_LIMITS, maxUserDatabaseLineBytes: 40, maxAdditionalGroups: 2 };
    const groups = (count: number) => Array.from({ length: count }, (_, gid) => `g:x:${gid + 10}:u`).join('\n');
    const line = (length: number) => `u:x:1:1::/:${'s'.repeat(length - 11)}`;
    expect(resolveUser('u', { passwd: line(40), group: groups(2) }, limits).additionalGids).toEqual([10, 11]);
    await expectFailure('BUNDLE_USER_INVALID', () => resolveUser('u', { passwd: line(41), group: '' }, limits));
    await expectFailure('BUNDLE_USER_INVALID', () => resolveUser('u', { passwd: line(40), group: groups(3) }, limits));
  });
});
