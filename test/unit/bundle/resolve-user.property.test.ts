import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveUser } from '../../../src/bundle/resolve-user.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';

const MAX_ID = 2 ** 31 - 1;

const field = fc.oneof(
  fc.constantFrom('', '0', 'app', 'root', '-1', '+1', '00', '2147483647', '2147483648', '4294967296', '1e3', '0x1'),
  fc.integer({ min: -10, max: 2 ** 33 }).map(String),
  fc.string({ maxLength: 6 }),
);
const line = fc.array(field, { maxLength: 7 }).map((fields) => fields.join(':'));
const database = fc.array(line, { maxLength: 6 }).map((lines) => lines.join('\n'));
const user = fc.oneof(
  field,
  fc.tuple(field, field).map((parts) => parts.join(':')),
  fc.string({ maxLength: 12 }),
);

describe('resolveUser, for any user and any database', () => {
  it('answers ids within bounds, a number as it is written, or refuses', () => {
    fc.assert(
      fc.property(user, database, database, (text, passwd, group) => {
        let resolved: ReturnType<typeof resolveUser>;
        try {
          resolved = resolveUser(text, { passwd, group }, DEFAULT_LIMITS);
        } catch (error) {
          expect(error).toBeInstanceOf(SealiftError);
          expect(error).toMatchObject({ code: 'BUNDLE_USER_INVALID' });
          return;
        }
        for (const id of [resolved.uid, resolved.gid, ...resolved.additionalGids]) {
          expect(Number.isInteger(id) && id >= 0 && id <= MAX_ID).toBe(true);
        }
        const [name = '', groupName] = text.split(':');
        if (/^[0-9]+$/.test(name)) expect(resolved.uid).toBe(Number(name));
        if (groupName !== undefined && /^[0-9]+$/.test(groupName)) expect(resolved.gid).toBe(Number(groupName));
        if (groupName !== undefined) expect(resolved.additionalGids).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });
});
