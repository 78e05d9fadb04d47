import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { locateSignature } from '../../../src/lookaside/locate-signature.ts';
import { type Digest, hashBytes, parseReference } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const SHA256 = hashBytes('x');
const SHA512 = hashBytes('x', 'sha512');

describe('the address of a signature', () => {
  it.each([
    ['https://sigs.example/', SHA256, 'https://sigs.example'],
    ['https://sigs.example', SHA256, 'https://sigs.example'],
    ['https://sigs.example/deep/store//', SHA512, 'https://sigs.example/deep/store'],
    ['file:///var/lib/containers/sigstore', SHA256, 'file:///var/lib/containers/sigstore'],
    ['file:///with%20space/%C3%A4', SHA256, 'file:///with%20space/%C3%A4'],
    ['file:///', SHA256, 'file://'],
  ])('below %s is made of repository, digest and position', (base, digest, prefix) => {
    const { href } = locateSignature(new URL(base), 'team/app', { digest, position: 3 });
    expect(href).toBe(`${prefix}/team/app@${digest.replace(':', '=')}/signature-3`);
  });

  it.each([
    ...['sha256:../../x', `${SHA256}/../../x`, 'sha256:', '', 'sha256:ABC', `sha256:${'A'.repeat(64)}`],
    ...[`md5:${'0'.repeat(32)}`, `sha256:${'0'.repeat(63)}`, `sha256:${'0'.repeat(64)}\n`, `../x:${'0'.repeat(64)}`],
  ])('CVE-2024-3727: is never made of the digest %j', async (digest) => {
    await expectFailure('DIGEST_INVALID', () =>
      locateSignature(new URL('file:///s'), 'app', { digest: digest as Digest, position: 1 }),
    );
  });

  it('stays below the store for every name that can be pulled', () => {
    const component = fc.stringMatching(/^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/, { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(component, { minLength: 1, maxLength: 3 }), (components) => {
        const { path } = parseReference(`r.io/${components.join('/')}:1`);
        const base = new URL('https://sigs.example/store');
        const { origin, pathname } = locateSignature(base, path, { digest: SHA256, position: 1 });
        expect(origin).toBe(base.origin);
        const folder = `${SHA256.replace(':', '=')}/signature-1`;
        expect(pathname).toBe(`/store/${components.join('/')}@${folder}`);
      }),
    );
  });
});
