import { describe, expect, it } from 'vitest';
import { hashBytes, parseFileReference } from '../../../src/oci/index.ts';
import { matchScope, parsePolicy } from '../../../src/signature/policy/index.ts';
import { scopeCandidates } from '../../../src/signature/policy/match-scope.ts';
import type { ImageCandidate, RawDocument } from '../../../src/signature/types.ts';
import { expectFailure } from '../../support/matchers.ts';
import { authoriseUnsigned } from '../../support/signatures/gate.ts';

const ACCEPT = [{ type: 'insecureAcceptAnything' }];
const REJECT = [{ type: 'reject' }];

const policy = (fallback: unknown, transports: Readonly<Record<string, Readonly<Record<string, unknown>>>>) =>
  parsePolicy(JSON.stringify({ default: fallback, transports }));

const MANIFEST = document({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: hashBytes('config'), size: 6 },
  layers: [],
});

function document(value: unknown): RawDocument {
  const rawBytes = Buffer.from(JSON.stringify(value));
  return { rawBytes, digest: hashBytes(rawBytes), contentType: '' };
}

const byPath = (text: string): ImageCandidate => {
  return { reference: parseFileReference(text), indexes: [], manifest: MANIFEST };
};

describe('scopeCandidates of files', () => {
  it.each([
    ['oci:/srv/images/app', ['/srv/images/app', '/srv/images', '/srv', '']],
    ['oci:/srv/app:1.2', ['/srv/app:1.2', '/srv/app', '/srv', '']],
    ['oci:/srv/app:@0', ['/srv/app', '/srv', '']],
    ['oci-archive:/srv/a.tar:r.io/app:1', ['/srv/a.tar:r.io/app:1', '/srv/a.tar', '/srv', '']],
    // As in a registry, a digest names the image, and what stands before it is a remark.
    [`oci:/srv/app:1.2@${MANIFEST.digest}`, ['/srv/app', '/srv', '']],
    ['docker-archive:/srv/a.tar:app:1', ['']],
  ])('%s', (text, expected) => {
    expect(scopeCandidates(parseFileReference(text))).toEqual(expected);
  });
});

describe('matchScope of files', () => {
  const scopes = { '': REJECT, '/srv': ACCEPT, '/srv/app': REJECT, '/srv/app:good': ACCEPT };
  const layered = policy(REJECT, { oci: scopes, 'docker-archive': { '': ACCEPT }, docker: { '': ACCEPT } });

  it.each([
    ['oci:/srv/app', 'scope "/srv/app"'],
    ['oci:/srv/app:good', 'scope "/srv/app:good"'],
    ['oci:/srv/app:other', 'scope "/srv/app"'],
    ['oci:/srv/apps', 'scope "/srv"'],
    ['oci:/opt/app', 'scope ""'],
    // Each transport has scopes of its own.
    ['oci-archive:/srv/app', 'default'],
    ['docker-archive:/srv/a.tar', 'scope ""'],
  ])('judges %s by %s', (text, scope) => {
    expect(matchScope(layered, parseFileReference(text)).scope).toBe(scope);
  });
});

describe('authoriseImage for files', () => {
  it.each(['oci:/srv/app', 'oci-archive:/srv/a.tar:1', 'docker-archive:/srv/a.tar'])(
    'refuses %s as it refuses a tag, where there is no policy',
    async (text) => {
      const error = await expectFailure('POLICY_TAG_UNPINNED', () => authoriseUnsigned(undefined, byPath(text)));
      expect(error.context['actual']).toBe(MANIFEST.digest);
    },
  );

  it('lets a pinned image run', async () => {
    const image = await authoriseUnsigned(undefined, byPath(`oci:/srv/app@${MANIFEST.digest}`));
    expect(image.basis).toBe('digest-pin');
  });

  it('refuses bytes of another digest', async () => {
    const pinned = byPath(`oci:/srv/app@${hashBytes('another')}`);
    await expectFailure('MANIFEST_DIGEST_MISMATCH', () => authoriseUnsigned(undefined, pinned));
  });

  it('asks the policy of the transport', async () => {
    const onlyOci = policy(REJECT, { oci: { '/srv': ACCEPT } });
    expect((await authoriseUnsigned(onlyOci, byPath('oci:/srv/app'))).basis).toBe('policy');
    await expectFailure('POLICY_DENIED', () => authoriseUnsigned(onlyOci, byPath('oci-archive:/srv/app')));
    await expectFailure('POLICY_DENIED', () => authoriseUnsigned(onlyOci, byPath('docker-archive:/srv/app')));
  });

  it('keeps to a rejected name when there is a digest too', async () => {
    const rejecting = policy(ACCEPT, { oci: { '/srv/app:bad': REJECT } });
    const pinned = byPath(`oci:/srv/app:bad@${MANIFEST.digest}`);
    await expectFailure('POLICY_DENIED', () => authoriseUnsigned(rejecting, pinned));
  });
});
