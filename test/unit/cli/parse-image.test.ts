import { describe, expect, it } from 'vitest';
import { parseImage, parseRemoteImage } from '../../../src/cli/parse-image.ts';
import { expectFailure } from '../../support/matchers.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const HERE = { cwd: '/srv/here' };

describe('parseImage', () => {
  it.each([
    ['registry.example/app:1', 'registry.example/app:1'],
    ['busybox', 'busybox'],
    ['docker://busybox', 'docker://busybox'],
    ['docker://oci:5000/app', 'docker://oci:5000/app'],
    ['oci:layout:1', 'oci:/srv/here/layout:1'],
    ['oci:../layout', 'oci:/srv/layout'],
    [`oci-archive:/srv/a.tar@${DIGEST}`, `oci-archive:/srv/a.tar@${DIGEST}`],
    ['docker-archive:./a.tar:@1', 'docker-archive:/srv/here/a.tar:@1'],
    // The pull refuses invalid references, with its own message.
    ['UPPER', 'UPPER'],
  ])('%s is %s', (text, expected) => {
    expect(parseImage(text, HERE)).toBe(expected);
  });

  it.each(['dir:/srv/app', 'oci-archiv:./a.tar', 'docker-daemon:app:1', 'docker:/app', 'ftp://r.io/app'])(
    'refuses %s, naming the transports there are',
    async (text) => {
      const error = await expectFailure('USAGE', () => parseImage(text, HERE));
      for (const known of ['docker://', 'oci:', 'oci-archive:', 'docker-archive:']) {
        expect(error.message).toContain(known);
      }
    },
  );

  it('refuses a path with a colon, which nobody could tell from a name', async () => {
    await expectFailure('USAGE', () => parseImage('oci:layout', { cwd: '/srv/a:b' }));
  });
});

describe('parseRemoteImage', () => {
  it('hands on the name of an image in a registry', () => {
    expect(parseRemoteImage('docker://r.io/app:1')).toBe('r.io/app:1');
    expect(parseRemoteImage('r.io/app:1')).toBe('r.io/app:1');
  });

  it.each(['oci:/srv/app', 'oci-archive:a.tar', 'docker-archive:a.tar', 'dir:/srv'])('refuses %s', async (text) => {
    await expectFailure('USAGE', () => parseRemoteImage(text));
  });
});
