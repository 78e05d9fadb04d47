import { describe, expect, it } from 'vitest';
import {
  formatPlatform,
  hashBytes,
  hostPlatform,
  type IndexEntry,
  parsePlatform,
  selectPlatform,
} from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

/** `os/arch[/variant]`, or `-` for an entry without platform. */
function entry(platform: string, name = platform, artifactType?: string): IndexEntry {
  const [os = '', architecture = '', variant] = platform.split('/');
  return {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: hashBytes(name),
    size: 1,
    annotations: { name },
    platform: platform === '-' ? undefined : { os, architecture, variant },
    artifactType,
  };
}

function chosen(platforms: readonly string[], wanted: string): string | undefined {
  const entries = platforms.map((platform, position) => entry(platform, `${platform}#${position}`));
  return selectPlatform(entries, parsePlatform(wanted)).annotations['name'];
}

describe('parsePlatform', () => {
  it.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['linux/x86_64', 'linux/amd64'],
    ['linux/arm64', 'linux/arm64/v8'],
    ['linux/aarch64', 'linux/arm64/v8'],
    ['linux/arm64/8', 'linux/arm64/v8'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/arm/v6', 'linux/arm/v6'],
    ['Linux/S390X', 'linux/s390x'],
    ['linux/i386', 'linux/386'],
  ])('reads %s as %s', (text, expected) => {
    expect(formatPlatform(parsePlatform(text))).toBe(expected);
  });

  it.each([
    '',
    'linux',
    'linux/',
    '/amd64',
    'linux/amd64/',
    'linux/amd64/v1/x',
    'linux amd64',
    'linux/am d64',
    'linux/a\n',
  ])('refuses %j', async (text) => {
    await expectFailure('PLATFORM_INVALID', () => parsePlatform(text));
  });
});

describe('hostPlatform', () => {
  it.each([
    ['x64', 'linux/amd64'],
    ['arm64', 'linux/arm64/v8'],
    ['arm', 'linux/arm/v7'],
    ['ia32', 'linux/386'],
    ['ppc64', 'linux/ppc64le'],
    ['s390x', 'linux/s390x'],
    ['riscv64', 'linux/riscv64'],
    ['loong64', 'linux/loong64'],
  ])('calls %s %s', (nodeArchitecture, expected) => {
    expect(formatPlatform(hostPlatform(nodeArchitecture))).toBe(expected);
  });
});

describe('selectPlatform', () => {
  it.each([
    ['the same platform', ['linux/arm64/v8', 'linux/amd64'], 'linux/amd64', 'linux/amd64#1'],
    ['the first of equals', ['linux/amd64', 'linux/amd64'], 'linux/amd64', 'linux/amd64#0'],
    ['arm64 without variant as v8', ['linux/arm64'], 'linux/arm64/v8', 'linux/arm64#0'],
    ['arm64 v8 when v9 is wanted', ['linux/arm64/v8'], 'linux/arm64/v9', 'linux/arm64/v8#0'],
    ['arm v7 before v6', ['linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7'], 'linux/arm/v7', 'linux/arm/v7#2'],
    ['arm v6 for v7', ['linux/arm/v5', 'linux/arm/v6'], 'linux/arm/v7', 'linux/arm/v6#1'],
    ['arm v5 for v7', ['linux/arm/v5'], 'linux/arm/v7', 'linux/arm/v5#0'],
    ['amd64 v2 for v3', ['linux/amd64', 'linux/amd64/v2'], 'linux/amd64/v3', 'linux/amd64/v2#1'],
    ['plain amd64 for v3', ['linux/amd64/v4', 'linux/amd64'], 'linux/amd64/v3', 'linux/amd64#1'],
    ['amd64 v1 as plain', ['linux/amd64/v1'], 'linux/amd64', 'linux/amd64/v1#0'],
    ['aliases in the index', ['linux/x86_64'], 'linux/amd64', 'linux/x86_64#0'],
    ['an entry without platform when there is no match', ['linux/s390x', '-'], 'linux/amd64', '-#1'],
    ['a match before an entry without platform', ['-', 'linux/amd64'], 'linux/amd64', 'linux/amd64#1'],
  ])('takes %s', (_, platforms, wanted, expected) => {
    expect(chosen(platforms, wanted)).toBe(expected);
  });

  it.each([
    ['a higher arm version', ['linux/arm/v7'], 'linux/arm/v6'],
    ['a higher amd64 version', ['linux/amd64/v2'], 'linux/amd64'],
    ['another architecture', ['linux/arm64'], 'linux/amd64'],
    ['another os', ['windows/amd64'], 'linux/amd64'],
    ['attestations', ['unknown/unknown'], 'linux/amd64'],
    ['an empty index', [], 'linux/amd64'],
  ])('does not take %s', async (_, platforms, wanted) => {
    await expectFailure('PLATFORM_NOT_FOUND', () => chosen(platforms, wanted));
  });

  it('skips artifacts whatever platform they claim', async () => {
    const wanted = parsePlatform('linux/amd64');
    const artifact = entry('linux/amd64', 'sbom', 'application/spdx+json');
    expect(selectPlatform([artifact, entry('linux/amd64')], wanted).annotations['name']).toBe('linux/amd64');
    await expectFailure('PLATFORM_NOT_FOUND', () => selectPlatform([artifact], wanted));
  });

  it('takes the type of an image config for no artifact', () => {
    const image = entry('linux/amd64', 'image', 'application/vnd.oci.image.config.v1+json');
    expect(selectPlatform([image], parsePlatform('linux/amd64'))).toBe(image);
  });

  it('says what there is', async () => {
    const error = await expectFailure('PLATFORM_NOT_FOUND', () =>
      chosen(['linux/arm64/v8', 'windows/amd64'], 'linux/s390x'),
    );
    expect(error.message).toBe('select platform: expected linux/s390x, the index has linux/arm64/v8, windows/amd64');
  });
});
