import { describe, expect, it } from 'vitest';
import { encodeAcl, fitToMode, isModeOnly, parseAcl } from '../../../../src/unpack/erofs/layout-acl.ts';
import { expectFailure } from '../../../support/matchers.ts';

const UNDEFINED = 'ffffffff';
const entry = (tag: string, permissions: number, id = UNDEFINED) => `${tag}0${permissions}00${id}`;
const aclOf = (...entries: readonly string[]) => Buffer.from(`02000000${entries.join('')}`, 'hex');

const USER_OBJ = entry('0100', 7);
const USER_1000 = entry('0200', 6, 'e8030000');
const GROUP_OBJ = entry('0400', 5);
const GROUP_5 = entry('0800', 4, '05000000');
const MASK = entry('1000', 7);
const OTHER = entry('2000', 1);

function parsed(acl: Uint8Array) {
  const entries = parseAcl(acl);
  if (entries === 'unsupported') throw new TypeError('expected a supported ACL');
  return entries;
}

describe('parseAcl', () => {
  it('gives back what encodeAcl writes', () => {
    const acl = aclOf(USER_OBJ, USER_1000, USER_1000, GROUP_OBJ, GROUP_5, MASK, OTHER);
    expect(Buffer.from(encodeAcl(parsed(acl))).toString('hex')).toBe(acl.toString('hex'));
  });

  it('forgets ids of entries that have none', () => {
    const acl = aclOf(entry('0100', 7, '01000000'), GROUP_OBJ, OTHER);
    expect(Buffer.from(encodeAcl(parsed(acl)))).toEqual(aclOf(USER_OBJ, GROUP_OBJ, OTHER));
  });

  it.each([
    ['no bytes', Buffer.alloc(0)],
    ['a header alone', aclOf()],
  ])('takes %s for no ACL', (_, acl) => {
    expect(parseAcl(acl)).toEqual([]);
  });

  it('does not read another version', () => {
    expect(parseAcl(Buffer.from('0300000001', 'hex'))).toBe('unsupported');
  });

  it.each([
    ['half a header', Buffer.alloc(2)],
    ['half an entry', aclOf(USER_OBJ).subarray(0, 8)],
    ['an owner alone', aclOf(USER_OBJ)],
    ['two owners', aclOf(USER_OBJ, USER_OBJ, GROUP_OBJ, OTHER)],
    ['no owner', aclOf(GROUP_OBJ, OTHER)],
    ['another order', aclOf(GROUP_OBJ, USER_OBJ, OTHER)],
    ['a named user and no mask', aclOf(USER_OBJ, USER_1000, GROUP_OBJ, OTHER)],
    ['a named group and no mask', aclOf(USER_OBJ, GROUP_OBJ, GROUP_5, OTHER)],
    ['an unknown tag', aclOf(USER_OBJ, GROUP_OBJ, entry('4000', 1), OTHER)],
    ['an undefined user', aclOf(USER_OBJ, entry('0200', 6), GROUP_OBJ, MASK, OTHER)],
    ['permissions over 7', aclOf(entry('0100', 8), GROUP_OBJ, OTHER)],
  ])('refuses %s', async (_, acl) => {
    await expectFailure('UNPACK_ENTRY_INVALID', () => parseAcl(acl));
  });
});

describe('isModeOnly', () => {
  it.each([
    ['owner, group and others', aclOf(USER_OBJ, GROUP_OBJ, OTHER), true],
    ['a mask as well', aclOf(USER_OBJ, GROUP_OBJ, MASK, OTHER), false],
    ['a named user', aclOf(USER_OBJ, USER_1000, GROUP_OBJ, MASK, OTHER), false],
  ])('%s: %#', (_, acl, expected) => {
    expect(isModeOnly(parsed(acl))).toBe(expected);
  });
});

describe('fitToMode', () => {
  const permissions = (acl: Uint8Array, mode: number) => fitToMode(parsed(acl), mode).map((each) => each.permissions);

  it('gives the group bits to the mask where there is one', () => {
    expect(permissions(aclOf(USER_OBJ, USER_1000, GROUP_OBJ, MASK, OTHER), 0o642)).toEqual([6, 6, 5, 4, 2]);
  });

  it('gives them to the owning group where there is none', () => {
    expect(permissions(aclOf(USER_OBJ, GROUP_OBJ, OTHER), 0o642)).toEqual([6, 4, 2]);
  });
});
