import { describe, expect, it } from 'vitest';
import {
  fileTransportOf,
  foreignTransportOf,
  formatImageLocation,
  formatImageReference,
  parseFileReference,
  parseReference,
  registryNameOf,
} from '../../../src/oci/index.ts';
import { expectLinearTime } from '../../support/machine/linear-time.ts';
import { expectFailure } from '../../support/matchers.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const DIGEST_512 = `sha512:${'cd'.repeat(64)}`;

describe('parseFileReference', () => {
  it.each([
    ['oci:/srv/app', { transport: 'oci', path: '/srv/app', selector: { kind: 'only' }, digest: undefined }],
    ['oci:app', { transport: 'oci', path: 'app', selector: { kind: 'only' } }],
    ['oci:/srv/app:', { path: '/srv/app', selector: { kind: 'only' } }],
    ['oci:/srv/app:1.2', { path: '/srv/app', selector: { kind: 'name', name: '1.2' } }],
    ['oci:/srv/app:r.io/app:1.2', { path: '/srv/app', selector: { kind: 'name', name: 'r.io/app:1.2' } }],
    ['oci:/srv/app:@0', { path: '/srv/app', selector: { kind: 'position', position: 0 } }],
    [`oci:/srv/app@${DIGEST}`, { path: '/srv/app', selector: { kind: 'only' }, digest: DIGEST }],
    [`oci:/srv/app:1.2@${DIGEST}`, { selector: { kind: 'name', name: '1.2' }, digest: DIGEST }],
    [`oci-archive:a.tar:@7@${DIGEST_512}`, { selector: { kind: 'position', position: 7 }, digest: DIGEST_512 }],
    ['oci-archive:/srv/a@b.tar', { transport: 'oci-archive', path: '/srv/a@b.tar', digest: undefined }],
    ['docker-archive:/srv/a.tar', { transport: 'docker-archive', path: '/srv/a.tar', selector: { kind: 'only' } }],
    ['docker-archive:a.tar:busybox', { selector: { kind: 'name', name: 'docker.io/library/busybox:latest' } }],
    ['docker-archive:a.tar:h:5000/b:1', { path: 'a.tar', selector: { kind: 'name', name: 'h:5000/b:1' } }],
    [`docker-archive:a.tar:h:5000/b:1@${DIGEST}`, { selector: { kind: 'name', name: 'h:5000/b:1' }, digest: DIGEST }],
  ])('reads %s', (text, expected) => {
    expect(parseFileReference(text)).toMatchObject(expected);
  });

  it.each([
    ['no path', 'oci:'],
    ['no path before a name', 'oci::1.2'],
    ['a NUL', 'oci:/srv/\0'],
    ['a path of 5000 bytes', `oci:/${'a'.repeat(5_000)}`],
    ['an empty component of a name', 'oci:/srv/app:a//b'],
    ['a name that climbs', 'oci:/srv/app:../b'],
    ['a negative position', 'oci:/srv/app:@-1'],
    ['a position with zeros in front', 'oci:/srv/app:@01'],
    ['a digest that is cut off', `oci:/srv/app@${DIGEST.slice(0, -1)}`],
    ['an upper-case digest', `oci:/srv/app@${DIGEST.toUpperCase().replace('SHA', 'sha')}`],
    ['an unknown digest algorithm', `oci:/srv/app@sha1:${'ab'.repeat(20)}`],
    ['a name that no registry has', 'docker-archive:a.tar:upper/CASE'],
    ['another transport', 'dir:/srv/app'],
  ])('refuses %s', async (_, text) => {
    await expectFailure('REFERENCE_INVALID', () => parseFileReference(text));
  });

  it('takes linear time for names that almost fit', async () => {
    const almost = (length: number) => `oci:a:${'a-'.repeat(length)}/`;
    await expectFailure('REFERENCE_INVALID', () => parseFileReference(almost(500)));
    expectLinearTime(500, (length) => () => expect(() => parseFileReference(almost(length))).toThrow());
  });
});

describe('formatImageReference', () => {
  it.each([
    'oci:/srv/app',
    'oci:/srv/app:r.io/app:1.2',
    `oci:/srv/app:1.2@${DIGEST}`,
    'oci-archive:/srv/a.tar:@3',
    `docker-archive:/srv/a.tar@${DIGEST}`,
  ])('gives %s back', (text) => {
    expect(formatImageReference(parseFileReference(text))).toBe(text);
  });

  it('expands names of registries as ever', () => {
    expect(formatImageReference(parseReference('busybox:1'))).toBe('docker.io/library/busybox:1');
  });
});

describe('formatImageLocation', () => {
  it('leaves out which image is meant', () => {
    expect(formatImageLocation(parseFileReference(`oci:/srv/app:1.2@${DIGEST}`))).toBe('oci:/srv/app');
    expect(formatImageLocation(parseReference('busybox:1'))).toBe('docker.io/library/busybox');
  });
});

describe('a text of the command line', () => {
  it.each<[text: string, files: string | undefined, foreign: string | undefined, registry: string | undefined]>([
    ['oci:/srv/app', 'oci', undefined, undefined],
    ['oci-archive:a.tar', 'oci-archive', undefined, undefined],
    ['docker-archive:a.tar', 'docker-archive', undefined, undefined],
    ['oci:5000/app', 'oci', undefined, undefined],
    ['docker://oci:5000/app', undefined, undefined, 'oci:5000/app'],
    ['docker://busybox', undefined, undefined, 'busybox'],
    ['busybox:1', undefined, undefined, undefined],
    ['localhost:5000/app', undefined, undefined, undefined],
    ['dir:/srv/app', undefined, 'dir', undefined],
    ['dir:app', undefined, 'dir', undefined],
    // A host of that name with a port.
    ['dir:5000/app', undefined, undefined, undefined],
    ['docker-daemon:busybox:latest', undefined, 'docker-daemon', undefined],
    ['containers-storage:busybox', undefined, 'containers-storage', undefined],
    ['oci_archive:/srv/a.tar', undefined, 'oci_archive', undefined],
    ['oci-archiv:./a.tar', undefined, 'oci-archiv', undefined],
    ['docker:/busybox', undefined, 'docker', undefined],
    ['ostree://busybox', undefined, 'ostree', undefined],
    ['https://r.io/app', undefined, undefined, undefined],
  ])('%s: files %s, foreign %s, registry %s', (text, files, foreign, registry) => {
    expect([fileTransportOf(text), foreignTransportOf(text), registryNameOf(text)]).toEqual([files, foreign, registry]);
  });
});

describe('parseReference', () => {
  it.each(['oci:/srv/app', 'oci-archive:./a.tar', 'docker-archive:../a.tar', 'dir:/srv'])(
    'takes no path for a name: %s',
    async (text) => {
      const error = await expectFailure('REFERENCE_INVALID', () => parseReference(text));
      expect(error.message).toContain('got a path');
    },
  );
});
