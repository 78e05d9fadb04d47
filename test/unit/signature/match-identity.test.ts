import { describe, expect, it } from 'vitest';
import { parseReference } from '../../../src/oci/index.ts';
import { matchSignedIdentity, type SignedIdentity } from '../../../src/signature/policy/index.ts';

const SHA_A = `sha256:${'a'.repeat(64)}`;
const SHA_B = `sha256:${'b'.repeat(64)}`;

function matches(identity: SignedIdentity, image: string | undefined, signed: string | undefined): boolean {
  return matchSignedIdentity(identity, image === undefined ? undefined : parseReference(image), signed);
}

type Row = readonly [image: string | undefined, signed: string, matches: boolean];

/** What no rule accepts. */
const NO_REFERENCES = [
  '',
  'UPPER/case:1',
  'docker://busybox:1',
  'busybox:',
  `busybox@sha256:1`,
  'a'.repeat(64),
  ' x:1',
];

// https://github.com/containers/image/blob/v5.30.2/signature/policy_reference_match_test.go
const EXACT: readonly Row[] = [
  ['busybox:1', 'busybox:1', true],
  ['busybox:1', 'docker.io/library/busybox:1', true],
  ['docker.io/library/busybox:1', 'busybox:1', true],
  ['busybox:1', 'busybox:2', false],
  ['busybox:1', 'quay.io/library/busybox:1', false],
  ['busybox:1', 'busybox', false],
  ['busybox', 'busybox', false],
  ['busybox', 'busybox:latest', false],
  [`busybox@${SHA_A}`, `busybox@${SHA_A}`, true],
  [`busybox@${SHA_A}`, `busybox@${SHA_B}`, false],
  ['busybox:1', `busybox:1@${SHA_A}`, false],
  ['h:5000/a/b:1', 'h:5000/a/b:1', true],
  ['h:5000/a/b:1', 'h/a/b:1', false],
];

describe('matchSignedIdentity', () => {
  it.each<Row>([...EXACT, [`busybox@${SHA_A}`, 'busybox:1', false], [undefined, 'busybox:1', false]])(
    'matchExact: %s, signed for %s: %s',
    (image, signed, expected) => {
      expect(matches({ type: 'matchExact' }, image, signed)).toBe(expected);
    },
  );

  it.each<Row>([
    ...EXACT.filter(([, signed]) => signed !== `busybox@${SHA_B}`),
    // The digest has been compared with the manifest before; the name of the repository is left.
    [`busybox@${SHA_A}`, 'busybox:1', true],
    [`busybox@${SHA_A}`, `busybox@${SHA_B}`, true],
    [`busybox@${SHA_A}`, 'busybox', false],
    [`busybox@${SHA_A}`, 'other:1', false],
    [`busybox:1@${SHA_A}`, 'busybox:1', false],
    [`busybox:1@${SHA_A}`, `busybox:1@${SHA_A}`, true],
    [undefined, 'busybox:1', false],
  ])('matchRepoDigestOrExact: %s, signed for %s: %s', (image, signed, expected) => {
    expect(matches({ type: 'matchRepoDigestOrExact' }, image, signed)).toBe(expected);
  });

  it.each<Row>([
    ['busybox:1', 'busybox:2', true],
    ['busybox:1', 'busybox', true],
    ['busybox', 'busybox', true],
    [`busybox@${SHA_A}`, `busybox@${SHA_B}`, true],
    ['busybox:1', 'docker.io/library/busybox', true],
    ['busybox:1', 'docker.io/other/busybox', false],
    ['h:5000/a:1', 'h/a:1', false],
    ['h/a/b:1', 'h/a:1', false],
    [undefined, 'busybox:1', false],
  ])('matchRepository: %s, signed for %s: %s', (image, signed, expected) => {
    expect(matches({ type: 'matchRepository' }, image, signed)).toBe(expected);
  });

  it.each<Row>([
    ['other:9', 'docker.io/library/busybox:1', true],
    [undefined, 'busybox:1', true],
    ['busybox:1', 'busybox:2', false],
    ['busybox:1', 'busybox', false],
    ['busybox:1', `busybox:1@${SHA_A}`, false],
  ])('exactReference busybox:1: %s, signed for %s: %s', (image, signed, expected) => {
    expect(matches({ type: 'exactReference', dockerReference: 'busybox:1' }, image, signed)).toBe(expected);
  });

  it.each<Row>([
    ['other:9', 'docker.io/library/busybox:1', true],
    [undefined, `busybox@${SHA_A}`, true],
    [undefined, 'busybox', true],
    ['busybox:1', 'library/busyboxes:1', false],
    ['busybox:1', 'quay.io/library/busybox:1', false],
  ])('exactRepository busybox: %s, signed for %s: %s', (image, signed, expected) => {
    expect(matches({ type: 'exactRepository', dockerRepository: 'busybox' }, image, signed)).toBe(expected);
  });

  const mirror = { prefix: 'mirror.example/vendor', signedPrefix: 'vendor.example' };
  it.each<readonly [{ prefix: string; signedPrefix: string }, ...Row]>([
    [mirror, 'mirror.example/vendor/app:1', 'vendor.example/app:1', true],
    [mirror, 'mirror.example/vendor/app:1', 'vendor.example/app:2', false],
    [mirror, 'mirror.example/vendor/app:1', 'mirror.example/vendor/app:1', false],
    [mirror, `mirror.example/vendor/app@${SHA_A}`, 'vendor.example/app:2', true],
    [mirror, 'mirror.example/vendors/app:1', 'vendor.example/app:1', false],
    [mirror, 'mirror.example/vendors/app:1', 'mirror.example/vendors/app:1', true],
    [mirror, 'other.example/app:1', 'other.example/app:1', true],
    [mirror, undefined, 'vendor.example/app:1', false],
    [{ prefix: 'h', signedPrefix: 'x.example' }, 'h:5000/app:1', 'x.example:5000/app:1', false],
    [{ prefix: 'h:5000', signedPrefix: 'x.example' }, 'h:5000/app:1', 'x.example/app:1', true],
    [{ prefix: 'h:5000/a/b', signedPrefix: 'x.example/c' }, 'h:5000/a/b:1', 'x.example/c:1', true],
    [{ prefix: 'h:5000/a/b', signedPrefix: 'x.example/c' }, 'h:5000/a/b:1', 'x.example/c', false],
    // The new name is not fully expanded, so it is none.
    [{ prefix: 'h:5000/a', signedPrefix: 'docker.io' }, 'h:5000/a/busybox:1', 'docker.io/library/busybox:1', false],
    // It is no name at all.
    [{ prefix: 'h:5000/a/b', signedPrefix: 'x.example' }, 'h:5000/a/b:1', 'x.example:1', false],
  ])('remapIdentity %o: %s, signed for %s: %s', (rule, image, signed, expected) => {
    expect(matches({ type: 'remapIdentity', ...rule }, image, signed)).toBe(expected);
  });

  it.each(['busybox:1', 'busybox', 'other.example/app:2', '', 'UPPER', undefined])(
    'digestOnly matches a signature for %s',
    (signed) => {
      expect(matches({ type: 'digestOnly' }, 'busybox:1', signed)).toBe(true);
      expect(matches({ type: 'digestOnly' }, undefined, signed)).toBe(true);
    },
  );

  it.each([...NO_REFERENCES, undefined])('no rule about names matches a signature for "%s"', (signed) => {
    const rules: readonly SignedIdentity[] = [
      { type: 'matchExact' },
      { type: 'matchRepoDigestOrExact' },
      { type: 'matchRepository' },
      { type: 'exactReference', dockerReference: 'busybox:1' },
      { type: 'exactRepository', dockerRepository: 'busybox' },
      { type: 'remapIdentity', ...mirror },
    ];
    for (const rule of rules) expect(matches(rule, 'busybox:1', signed), rule.type).toBe(false);
  });
});
