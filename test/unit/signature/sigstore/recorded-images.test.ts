import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hashBytes } from '../../../../src/oci/index.ts';
import {
  attachmentOf,
  attachmentVerdict,
  digestsOf,
  judgeAttachment,
  publicKey,
  signedImage,
} from '../../../support/signatures/sigstore-signatures.ts';

/** Image → its key. */
const PAYLOADS = [
  ['legacy-p256', 'p256'],
  ['legacy-p384', 'p384'],
  ['legacy-p521', 'p521'],
  ['legacy-rsa3072', 'rsa3072'],
  ['legacy-key-log', 'p256'],
  ['legacy-referrer', 'p256'],
] as const;
const BUNDLES = [
  ['bundle-p256', 'p256'],
  ['bundle-p384', 'p384'],
  ['bundle-p521', 'p521'],
  ['bundle-rsa3072', 'rsa3072'],
  ['bundle-annotations', 'p256'],
  ['bundle-index', 'p256'],
  ['bundle-recursive', 'p256'],
  ['bundle-key-log', 'p256'],
] as const;
const ALL = [...PAYLOADS, ...BUNDLES];
const KEYS = ['p256', 'p384', 'p521', 'rsa3072', 'ed25519', 'rekor'];

describe('an image that cosign 3.1.3 signed', () => {
  it.each(ALL)('%s is accepted with the key %s, and says which key it was', (image, key) => {
    const verdict = judgeAttachment({ image, keys: [key] });
    const der = Buffer.from(publicKey(key).replace(/-----[^-]+-----|\n/g, ''), 'base64');
    expect(verdict).toMatchObject({
      kind: 'accepted',
      signer: { key: '/keys/1', keyId: hashBytes(der), loggedAt: undefined },
      signedReference: image.startsWith('bundle') ? undefined : signedImage(image).repository,
    });
  });

  it.each(ALL)('%s is accepted with %s as the last of several keys', (image, key) => {
    const others = KEYS.filter((other) => other !== key);
    const verdict = judgeAttachment({ image, keys: [...others, key] });
    expect(verdict).toMatchObject({ kind: 'accepted', signer: { key: `/keys/${KEYS.length}` } });
  });

  it.each(ALL)('%s is refused with every key but %s', (image, key) => {
    const others = KEYS.filter((other) => other !== key);
    expect(attachmentVerdict({ image, keys: others })).toBe('not-authentic');
  });

  it.each(ALL)('%s is refused for another image', (image, key) => {
    const other = signedImage(image === 'legacy-p256' ? 'legacy-p384' : 'legacy-p256').document;
    expect(attachmentVerdict({ image, keys: [key], digests: digestsOf(other) })).toBe('digest');
  });

  it.each(PAYLOADS)('%s is refused under another name', (image, key) => {
    const verdict = judgeAttachment({ image, keys: [key], imageReference: 'registry.example/other:1' });
    expect(verdict).toMatchObject({
      reason: 'identity',
      text: expect.stringContaining(`it is for the name "${signedImage(image).repository}"`),
      remedy: `sign the image under its own name; or, to accept this name for the image, write "signedIdentity": {"type":"exactRepository","dockerRepository":"${signedImage(image).repository}"}`,
    });
  });

  it.each(PAYLOADS)('%s needs matchRepository, since cosign signs no tag', (image, key) => {
    const verdict = judgeAttachment({ image, keys: [key], identity: { type: 'matchRepoDigestOrExact' } });
    expect(verdict).toMatchObject({
      reason: 'identity',
      remedy: 'to accept this name for the image, write "signedIdentity": {"type":"matchRepository"}',
    });
  });

  it.each(BUNDLES)('%s is refused by every rule about names, and told to use digestOnly', (image, key) => {
    const { repository } = signedImage(image);
    const identities = [
      { type: 'matchExact' },
      { type: 'matchRepoDigestOrExact' },
      { type: 'matchRepository' },
      { type: 'exactReference', dockerReference: `${repository}:1.0` },
      { type: 'exactRepository', dockerRepository: repository },
      { type: 'remapIdentity', prefix: repository, signedPrefix: repository },
    ] as const;
    for (const identity of identities) {
      expect(judgeAttachment({ image, keys: [key], identity })).toMatchObject({
        reason: 'identity',
        text: expect.stringContaining('it names no image, as cosign makes it'),
        remedy: 'to accept the image by its digest alone, write "signedIdentity": {"type":"digestOnly"}',
      });
    }
  });

  it.each([
    ['legacy-identity', { identity: { type: 'digestOnly' } }],
    ['legacy-pki', {}],
    ['attest-slsa-key', { predicateTypes: ['https://slsa.dev/provenance/v1'] }],
  ] as const)('%s is accepted by its key and for its image alone', (image, changes) => {
    expect(attachmentVerdict({ image, ...changes })).toBe('accepted');
    expect(attachmentVerdict({ image, ...changes, keys: KEYS.filter((key) => key !== 'p256') })).toBe('not-authentic');
    const other = digestsOf(signedImage('legacy-p384').document);
    expect(attachmentVerdict({ image, ...changes, digests: other })).toBe('digest');
  });

  it('is one of those that have a verdict in a test', () => {
    const byKey = [
      ...ALL.map(([image]) => image),
      'legacy-identity',
      'legacy-pki',
      'legacy-ed25519',
      'attest-slsa-key',
    ];
    // test/unit/signature/sigstore/certificates.test.ts has these.
    const byCertificate = ['bundle-keyless', 'legacy-keyless', 'attest-slsa-keyless'];
    const recorded = ['payload', 'bundle', 'attestation'].flatMap((kind) => {
      const file = new URL(`../../../../testdata/sigstore/${kind}-images.json`, import.meta.url);
      return Object.keys(JSON.parse(readFileSync(file, 'utf8')));
    });
    expect(recorded.toSorted()).toEqual([...byKey, ...byCertificate].toSorted());
  });

  it('of the identity of another repository is accepted under that name alone', () => {
    const image = 'legacy-identity';
    expect(attachmentVerdict({ image })).toBe('identity');
    expect(attachmentVerdict({ image, imageReference: 'registry.example/acme/app:1' })).toBe('accepted');
    const identity = { type: 'exactRepository', dockerRepository: 'registry.example/acme/app' } as const;
    expect(attachmentVerdict({ image, identity })).toBe('accepted');
  });

  it('of which only the index is signed is accepted for each of its platforms', () => {
    const { document, platforms } = signedImage('bundle-index');
    expect(platforms).toHaveLength(2);
    for (const platform of platforms) {
      const digests = [...digestsOf(platform), ...digestsOf(document)];
      expect(attachmentVerdict({ image: 'bundle-index', digests })).toBe('accepted');
      expect(attachmentVerdict({ image: 'bundle-index', digests: digestsOf(platform) })).toBe('digest');
    }
  });

  it('with each platform signed is accepted by the signature of the platform', () => {
    const { platforms, attachments } = signedImage('bundle-recursive');
    for (const platform of platforms) {
      const [attachment] = attachments[hashBytes(Buffer.from(platform))] ?? [];
      if (attachment === undefined) throw new Error('a platform is not signed');
      expect(attachmentVerdict({ image: 'bundle-recursive', attachment, digests: digestsOf(platform) })).toBe(
        'accepted',
      );
    }
  });

  it('with an Ed25519 key is refused, since its signature is Ed25519ph', () => {
    const verdict = judgeAttachment({ image: 'legacy-ed25519', keys: ['ed25519'] });
    expect(verdict).toMatchObject({ reason: 'not-authentic', text: expect.stringContaining('Ed25519ph') });
  });

  it.each(['legacy-p256', 'bundle-p256', 'legacy-pki'])(
    '%s is refused when its log is asked for, since it has none',
    (image) => {
      const verdict = judgeAttachment({ image, logKeys: ['rekor'] });
      expect(verdict).toMatchObject({
        reason: 'log',
        text: expect.stringContaining('it has no log entry'),
        signer: { kind: 'sigstore-key', key: '/keys/1' },
      });
    },
  );

  it('with a certificate beside the signature is accepted by its key', () => {
    expect(attachmentVerdict({ image: 'legacy-pki' })).toBe('accepted');
  });

  it('without a key, by a certificate, is refused', () => {
    expect(attachmentVerdict({ image: 'bundle-keyless' })).toBe('certificate');
    expect(attachmentVerdict({ image: 'legacy-keyless' })).toBe('not-authentic');
  });
});

describe('an entry of a log', () => {
  it.each(['legacy-key-log', 'bundle-key-log'])(
    'of %s is accepted with the key of the log, and proves the time',
    (image) => {
      const verdict = judgeAttachment({ image, logKeys: ['p384', 'rekor'] });
      expect(verdict).toMatchObject({
        kind: 'accepted',
        signer: { loggedAt: expect.stringMatching(/^2026-11-30T22:4\d:\d\d\.000Z$/) },
      });
    },
  );

  it.each(['legacy-key-log', 'bundle-key-log'])('of %s is refused with the key of another log', (image) => {
    const verdict = judgeAttachment({ image, logKeys: ['p256'] });
    expect(verdict).toMatchObject({
      reason: 'log',
      text: expect.stringContaining('its log entries are of other logs'),
      remedy: expect.stringContaining('rekorPublicKey'),
    });
  });
});

describe('an attestation', () => {
  const image = 'attest-slsa-key';
  const predicateTypes = ['https://slsa.dev/provenance/v1'];

  it('is no signature, and the denial says how to make it one', () => {
    expect(judgeAttachment({ image })).toMatchObject({
      reason: 'predicate',
      text: 'it is an attestation with the predicate "https://slsa.dev/provenance/v1", and no signature',
      remedy:
        'to accept such an attestation as a signature, write "predicateTypes": ["https://slsa.dev/provenance/v1"]',
    });
    expect(attachmentVerdict({ image, predicateTypes: ['https://slsa.dev/provenance'] })).toBe('predicate');
  });

  it('counts where its predicate is listed, with the name of its subject', () => {
    expect(judgeAttachment({ image, predicateTypes })).toMatchObject({
      kind: 'accepted',
      signedReference: signedImage(image).repository,
    });
    const identity = { type: 'matchRepository' } as const;
    expect(attachmentVerdict({ image, predicateTypes, identity })).toBe('accepted');
    expect(attachmentVerdict({ image, predicateTypes, identity, imageReference: 'other.example/app:1' })).toBe(
      'identity',
    );
    expect(attachmentVerdict({ image, predicateTypes, keys: ['p384'] })).toBe('not-authentic');
  });

  it('does not make cosign’s own signatures count less', () => {
    expect(attachmentVerdict({ image: 'bundle-p256', predicateTypes })).toBe('accepted');
  });
});

it('a layer of another kind is no signature', () => {
  const attachment = {
    ...attachmentOf(signedImage('bundle-p256')),
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.4+json',
  };
  expect(attachmentVerdict({ image: 'bundle-p256', attachment, keys: ['p256'] })).toBe('media-type');
});
