import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { chainLayerKey, formatLayerKey, isLayerKey, parseLayerKey } from '../../../src/layer-formats/index.ts';
import type { LayerKeyParts } from '../../../src/layer-formats/layer-key.ts';
import { parseDigest } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const HEX = 'ab'.repeat(32);
const DOMAIN = 'cd'.repeat(32);
const BASE: LayerKeyParts = { format: 'directory', writerVersion: 1, kind: 'diffid', hex: HEX, domain: undefined };
const DIRECTORY = { format: 'directory', writerVersion: 1 } as const;

function diffId(byte: string) {
  return parseDigest(`sha256:${byte.repeat(32)}`);
}

describe('formatLayerKey', () => {
  it.each<[string, Partial<LayerKeyParts>, string]>([
    ['a plain layer', {}, `directory-v1-diffid-${HEX}`],
    ['a layer in a domain', { domain: DOMAIN }, `directory-v1-diffid-${HEX}-${DOMAIN}`],
    ['a chained layer', { kind: 'chain' }, `directory-v1-chain-${HEX}`],
    ['another format and writer', { format: 'erofs', writerVersion: 12 }, `erofs-v12-diffid-${HEX}`],
    ['a sha512 diffID', { hex: HEX + HEX }, `directory-v1-diffid-${HEX}${HEX}`],
    ['a sha512 diffID in a domain', { hex: HEX + HEX, domain: DOMAIN }, `directory-v1-diffid-${HEX}${HEX}-${DOMAIN}`],
  ])('writes %s, and parseLayerKey reads it back', (_, change, expected) => {
    const parts = { ...BASE, ...change };
    expect(formatLayerKey(parts)).toBe(expected);
    expect(parseLayerKey(expected)).toEqual(parts);
  });

  it('keeps a sha256 diffID in a domain apart from a sha512 diffID', () => {
    const inDomain = formatLayerKey({ ...BASE, domain: HEX });
    expect(inDomain).not.toBe(formatLayerKey({ ...BASE, hex: HEX + HEX }));
  });

  it.each<[string, Partial<LayerKeyParts>]>([
    ['a short hex', { hex: 'ab' }],
    ['a path for a hex', { hex: '../../etc/passwd' }],
    ['a domain that is no hash', { domain: 'x' }],
    ['version 0', { writerVersion: 0 }],
  ])('refuses %s', async (_, change) => {
    await expectFailure('INTERNAL', () => formatLayerKey({ ...BASE, ...change }));
  });

  it('stays a file name with room for a suffix', () => {
    expect(formatLayerKey({ ...BASE, hex: HEX + HEX, domain: DOMAIN }).length).toBeLessThan(235);
  });
});

describe('parseLayerKey', () => {
  it.each([
    '',
    HEX,
    `directory-v1-diffid-${HEX.toUpperCase()}`,
    `directory-v1-diffid-${HEX}-`,
    `directory-v01-diffid-${HEX}`,
    `directory-v1-image-${HEX}`,
    `tar-v1-diffid-${HEX}`,
    `directory-v1-diffid-${HEX}\n`,
    `directory-v1-diffid-${HEX}.json`,
  ])('refuses %j', async (text) => {
    expect(isLayerKey(text)).toBe(false);
    await expectFailure('STORE_RECORD_CORRUPT', () => parseLayerKey(text));
  });
});

describe('chainLayerKey', () => {
  const [a, b, c] = [diffId('0a'), diffId('0b'), diffId('0c')];
  const plain = (...ids: ReturnType<typeof diffId>[]) => ids.map((id) => ({ diffId: id, domain: undefined }));

  it('is the diffID of a single layer', () => {
    expect(chainLayerKey(DIRECTORY, plain(a))).toBe(`directory-v1-chain-${'0a'.repeat(32)}`);
  });

  it('is the chainID of image-spec for more', () => {
    const ab = `sha256:${createHash('sha256').update(`${a} ${b}`).digest('hex')}`;
    const abc = createHash('sha256').update(`${ab} ${c}`).digest('hex');
    expect(chainLayerKey(DIRECTORY, plain(a, b, c))).toBe(`directory-v1-chain-${abc}`);
  });

  it('differs with the order', () => {
    expect(chainLayerKey(DIRECTORY, plain(a, b))).not.toBe(chainLayerKey(DIRECTORY, plain(b, a)));
  });

  it('differs with the domain of any member, and with which member has it', () => {
    const keys = [
      plain(a, b),
      [{ diffId: a, domain: DOMAIN }, ...plain(b)],
      [...plain(a), { diffId: b, domain: DOMAIN }],
      [
        { diffId: a, domain: DOMAIN },
        { diffId: b, domain: DOMAIN },
      ],
    ].map((layers) => chainLayerKey(DIRECTORY, layers));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('refuses an empty chain', async () => {
    await expectFailure('INTERNAL', () => chainLayerKey(DIRECTORY, []));
  });
});
