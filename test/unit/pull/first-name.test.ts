import { describe, expect, it } from 'vitest';
import { type ErrorCode, SealiftError } from '../../../src/errors/index.ts';
import { firstName } from '../../../src/pull/index.ts';
import { expectFailure } from '../../support/matchers.ts';

/** Tries names whose registries answer as given, and returns which were asked. */
async function run(answers: Readonly<Record<string, ErrorCode | 'yes'>>) {
  const asked: string[] = [];
  const found = firstName(Object.keys(answers), async (name) => {
    asked.push(name);
    const answer = answers[name] ?? 'yes';
    if (answer !== 'yes') throw new SealiftError(answer, `${name} failed`);
    return name;
  });
  const outcome = await found.catch((error: unknown) => error);
  return { asked, outcome };
}

describe('firstName', () => {
  it.each(['REGISTRY_MANIFEST_UNKNOWN', 'REGISTRY_AUTH_REJECTED'] as const)(
    'asks for the next name after %s',
    async (code) => {
      expect(await run({ 'a/x': code, 'b/x': 'yes', 'c/x': 'yes' })).toEqual({ asked: ['a/x', 'b/x'], outcome: 'b/x' });
    },
  );

  it.each([
    'HTTP_UNAVAILABLE',
    'POLICY_DENIED',
    'MANIFEST_DIGEST_MISMATCH',
    'REGISTRY_BLOCKED',
    'PULL_CANCELLED',
  ] as const)('asks for no other name after %s', async (code) => {
    const { asked, outcome } = await run({ 'a/x': code, 'b/x': 'yes' });
    expect(asked).toEqual(['a/x']);
    await expectFailure(code, () => Promise.reject(outcome));
  });

  it('says which names were not found, and leaves the failure of a single one as it is', async () => {
    const both = await run({ 'a/x': 'REGISTRY_MANIFEST_UNKNOWN', 'b/x': 'REGISTRY_AUTH_REJECTED' });
    const error = await expectFailure('REGISTRY_MANIFEST_UNKNOWN', () => Promise.reject(both.outcome));
    expect(error.message).toBe('none of a/x, b/x was found: a/x failed');
    const one = await run({ 'a/x': 'REGISTRY_MANIFEST_UNKNOWN' });
    expect((await expectFailure('REGISTRY_MANIFEST_UNKNOWN', () => Promise.reject(one.outcome))).message).toBe(
      'a/x failed',
    );
  });
});
