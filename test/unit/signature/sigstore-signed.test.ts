import { describe, expect, it } from 'vitest';
import { toPlainError } from '../../../src/errors/index.ts';
import { type Digest, hashBytes } from '../../../src/oci/index.ts';
import type { AuthorizedImage, SignatureVerifier } from '../../../src/signature/index.ts';
import { NO_EVIDENCE } from '../../../src/signature/search/evidence.ts';
import type { Evidence, RawDocument, RawSignature } from '../../../src/signature/types.ts';
import { expectFailure } from '../../support/matchers.ts';
import { authoriseSigned } from '../../support/signatures/gate.ts';
import { bundleOf, SIGNER, STATEMENT } from '../../support/signatures/sigstore-cases.ts';
import { type Attachment, attachmentOf, publicKey, signedImage } from '../../support/signatures/sigstore-signatures.ts';
import { INLINE_VERIFIER, SIGNED_MANIFEST, simpleSignature } from '../../support/signatures/simple-signatures.ts';

const PAYLOAD_IMAGE = 'legacy-p256';
const BUNDLE_IMAGE = 'bundle-p256';
const REQUIREMENT = { type: 'sigstoreSigned', keyPath: '/keys/p256', signedIdentity: { type: 'matchRepository' } };
const BY_DIGEST = { ...REQUIREMENT, signedIdentity: { type: 'digestOnly' } };

const document = (text: string, kind: 'manifest' | 'index'): RawDocument => {
  const rawBytes = Buffer.from(text);
  return { rawBytes, digest: hashBytes(rawBytes), contentType: `application/vnd.oci.image.${kind}.v1+json` };
};

function rawSignature({ mediaType, annotations, content }: Attachment, position = 0): RawSignature {
  const origin = `registry.example/app@sha256:${position}, layer 1`;
  return { rawBytes: Buffer.from(content), mediaType, annotations, origin };
}

const found = (...attachments: readonly Attachment[]): Evidence => ({
  ...NO_EVIDENCE,
  signatures: attachments.map(rawSignature),
});

interface GateOfTest {
  readonly image?: string;
  readonly requirements?: readonly unknown[];
  readonly reference?: string;
  readonly evidence?: readonly Evidence[];
  readonly verifier?: SignatureVerifier;
  /** Receives the paths of keys that are read. */
  readonly loaded?: string[];
  /** Returns the text of a key. */
  readonly readKey?: (key: string) => string;
}

function authorise({
  image: name = PAYLOAD_IMAGE,
  requirements = [REQUIREMENT],
  evidence = [found(attachmentOf(signedImage(name)))],
  reference = `${signedImage(name).repository}:1.0`,
  verifier = INLINE_VERIFIER,
  loaded = [],
  readKey: readText = publicKey,
}: GateOfTest = {}): Promise<AuthorizedImage> {
  const readKey = (key: string): Uint8Array => Buffer.from(readText(key));
  const { document: text, platforms } = signedImage(name);
  const [platform] = platforms;
  const candidate = {
    indexes: platform === undefined ? [] : [document(text, 'index')],
    manifest: document(platform ?? text, 'manifest'),
  };
  return authoriseSigned({ requirements, candidate, reference, evidence, verifier, readKey, loaded });
}

const denial = (gate: GateOfTest) => expectFailure('POLICY_DENIED', () => authorise(gate));
const keyData = (key: string) => ({ ...REQUIREMENT, keyPath: undefined, keyData: key });
const spkiOf = (key: string): Buffer => Buffer.from(publicKey(key).replace(/-----[^-]+-----|\n/g, ''), 'base64');
const keyId: Digest = hashBytes(spkiOf('p256'));

describe('sigstoreSigned with a key', () => {
  it('lets an image run that cosign signed in its first format, and says whose key it was', async () => {
    const image = await authorise();
    expect([image.basis, image.proof]).toEqual(['signature', 'signature']);
    expect(image.signers).toEqual([
      {
        kind: 'sigstore-key',
        key: '/keys/p256',
        keyId,
        loggedAt: undefined,
        signedReference: signedImage(PAYLOAD_IMAGE).repository,
        origin: 'registry.example/app@sha256:0, layer 1',
      },
    ]);
  });

  it('lets an image run that has a bundle, by its digest alone', async () => {
    const image = await authorise({ image: BUNDLE_IMAGE, requirements: [BY_DIGEST] });
    expect(image.signers).toMatchObject([{ kind: 'sigstore-key', keyId, signedReference: undefined }]);
  });

  it('lets a platform run whose index is signed', async () => {
    expect((await authorise({ image: 'bundle-index', requirements: [BY_DIGEST] })).proof).toBe('signature');
  });

  it.each<[string, object]>([
    ['keyPath', { keyPath: '/keys/p256' }],
    ['keyPaths', { keyPaths: ['/keys/rsa3072', '/keys/p256'] }],
    ['keyData with PEM as it is', { keyData: publicKey('p256') }],
    ['keyData with PEM in base64', { keyData: Buffer.from(publicKey('p256')).toString('base64') }],
    ['keyData with DER in base64', { keyData: spkiOf('p256').toString('base64') }],
    ['keyDatas', { keyDatas: [publicKey('p384'), publicKey('p256')] }],
  ])('takes keys from %s', async (_, keys) => {
    const { signedIdentity } = REQUIREMENT;
    const { basis } = await authorise({ requirements: [{ type: 'sigstoreSigned', ...keys, signedIdentity }] });
    expect(basis).toBe('signature');
  });

  it('asks the log that rekorPublicKeyPath, -Paths, -Data and -Datas name', async () => {
    for (const members of [
      { rekorPublicKeyPath: '/keys/rekor' },
      { rekorPublicKeyPaths: ['/keys/p384', '/keys/rekor'] },
      { rekorPublicKeyData: publicKey('rekor') },
      { rekorPublicKeyDatas: [publicKey('p384'), publicKey('rekor')] },
    ]) {
      const logged = await authorise({ image: 'legacy-key-log', requirements: [{ ...REQUIREMENT, ...members }] });
      expect(logged.signers).toMatchObject([{ loggedAt: expect.stringMatching(/^2026-11-30T/) }]);
      const error = await denial({ requirements: [{ ...REQUIREMENT, ...members }] });
      expect(error.message).toContain('it has no log entry; the requirement names the key of a log');
    }
    const error = await denial({
      image: 'legacy-key-log',
      requirements: [{ ...REQUIREMENT, rekorPublicKeyPath: '/keys/p384' }],
    });
    expect(error.message).toContain('with keyPath /keys/p256 and rekorPublicKeyPath /keys/p384');
  });

  it('accepts one good signature among bad ones', async () => {
    const others = ['legacy-p384', 'bundle-p256', 'attest-slsa-key', PAYLOAD_IMAGE];
    const attachments = others.map((name) => attachmentOf(signedImage(name)));
    const image = await authorise({ evidence: [found(...attachments)] });
    expect(image.signers[0]?.origin).toBe('registry.example/app@sha256:3, layer 1');
  });

  it('has to be satisfied by one signature in all respects at once', async () => {
    // One signature has the key and another image, the other one the image and another key.
    const other = bundleOf(STATEMENT, SIGNER);
    const evidence = [found(attachmentOf(signedImage(BUNDLE_IMAGE)), other)];
    await denial({ requirements: [BY_DIGEST], evidence });
    const both = { ...BY_DIGEST, keyPath: undefined, keyDatas: [publicKey('p256'), SIGNER.publicKey] };
    expect((await authorise({ requirements: [both], evidence })).basis).toBe('signature');
  });

  it('has to be satisfied for each requirement', async () => {
    const evidence = [found(attachmentOf(signedImage(PAYLOAD_IMAGE)), bundleOf(STATEMENT))];
    const other = { ...BY_DIGEST, ...keyData(SIGNER.publicKey), signedIdentity: BY_DIGEST.signedIdentity };
    const image = await authorise({ requirements: [REQUIREMENT, other], evidence });
    expect(image.signers.map(({ origin }) => origin.at(-10))).toEqual(['0', '1']);
    await denial({ requirements: [REQUIREMENT, { ...REQUIREMENT, keyPath: '/keys/p384' }], evidence });
  });

  it('accepts an image in files by a rule that does not look at its name', async () => {
    const reference = 'oci:/images/app';
    expect((await authorise({ reference, requirements: [BY_DIGEST] })).basis).toBe('signature');
    const error = await denial({ reference });
    expect(error.message).toContain('the image has no name');
  });

  it('ignores simple signatures', async () => {
    const rawBytes = simpleSignature('ed25519');
    const simple = { rawBytes, mediaType: '', annotations: {}, origin: 'https://sigs.example/1' };
    expect(SIGNED_MANIFEST.rawBytes.length).toBeGreaterThan(0);
    const error = await denial({ evidence: [{ ...NO_EVIDENCE, signatures: [simple] }] });
    expect(error.message).toContain('no signature was found');
  });

  it.each([
    ['a private key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'got "PRIVATE KEY"'],
    ['a text', Buffer.from('x').toString('base64'), 'expected a public key in PEM, or in DER'],
  ])('fails with the policy when its key is %s', async (_, key, text) => {
    const error = await expectFailure('POLICY_INVALID', () => authorise({ requirements: [keyData(key)] }));
    expect(error.message).toContain(`policy: public key in keyData: `);
    expect(error.message).toContain(text);
  });
});

const BY_AUTHOR = {
  type: 'sigstoreSigned',
  fulcio: {
    caPath: '/keys/fulcio',
    oidcIssuer: 'https://token.actions.githubusercontent.com',
    subjectURI: 'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*',
  },
  rekorPublicKeyPath: '/keys/rekor',
  signedIdentity: { type: 'matchRepository' },
};
const BY_AUTHORITY = {
  type: 'sigstoreSigned',
  pki: { caRootsPath: '/keys/pki-root', subjectEmail: 'release@acme.example' },
  signedIdentity: { type: 'matchRepository' },
};

describe('sigstoreSigned with a certificate', () => {
  it('lets an image run by its author, and says who it was', async () => {
    const image = await authorise({ image: 'legacy-keyless', requirements: [BY_AUTHOR] });
    expect(image.proof).toBe('signature');
    expect(image.signers).toEqual([
      {
        kind: 'sigstore-certificate',
        subject: 'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.0',
        oidcIssuer: 'https://token.actions.githubusercontent.com',
        keyId: expect.stringMatching(/^sha256:/),
        loggedAt: '2026-11-30T22:46:06.000Z',
        signedReference: signedImage('legacy-keyless').repository,
        origin: 'registry.example/app@sha256:0, layer 1',
      },
    ]);
    const own = await authorise({ image: 'legacy-pki', requirements: [BY_AUTHORITY] });
    expect(own.signers).toMatchObject([
      { subject: 'release@acme.example', oidcIssuer: undefined, loggedAt: undefined },
    ]);
  });

  it('takes authorities from caPath, caData, caRootsPath, caRootsData, caIntermediatesPath and caIntermediatesData', async () => {
    const encoded = (name: string) => Buffer.from(publicKey(name)).toString('base64');
    const { caPath: _, ...author } = BY_AUTHOR.fulcio;
    for (const ca of [{ caPath: '/keys/fulcio' }, { caData: publicKey('fulcio') }, { caData: encoded('fulcio') }]) {
      const requirement = { ...BY_AUTHOR, fulcio: { ...author, ...ca } };
      expect((await authorise({ image: 'legacy-keyless', requirements: [requirement] })).basis).toBe('signature');
    }
    const attachment = attachmentOf(signedImage('legacy-pki'));
    const annotations = { ...attachment.annotations, 'dev.sigstore.cosign/chain': '' };
    const evidence = [found({ ...attachment, annotations })];
    const subjectEmail = 'release@acme.example';
    for (const members of [
      { caRootsPath: '/keys/pki-root', caIntermediatesPath: '/keys/pki-sub' },
      { caRootsData: publicKey('pki-root'), caIntermediatesData: encoded('pki-sub') },
    ]) {
      const requirement = { ...BY_AUTHORITY, pki: { ...members, subjectEmail } };
      const image = await authorise({ image: 'legacy-pki', requirements: [requirement], evidence });
      expect(image.basis).toBe('signature');
    }
    await denial({ image: 'legacy-pki', requirements: [BY_AUTHORITY], evidence });
  });

  it('denies another author, and names the one whom it found and what to write', async () => {
    const fulcio = {
      ...BY_AUTHOR.fulcio,
      subjectURI: 'https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main',
    };
    const error = await denial({ image: 'legacy-keyless', requirements: [{ ...BY_AUTHOR, fulcio }] });
    expect(error.message).toContain(
      `requirement "sigstoreSigned" with fulcio (caPath /keys/fulcio, oidcIssuer "${fulcio.oidcIssuer}", subjectURI "${fulcio.subjectURI}") and rekorPublicKeyPath /keys/rekor: `,
    );
    expect(error.message).toContain(
      `its certificate says subjectURI "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.0"; the requirement asks for "${fulcio.subjectURI}"`,
    );
    expect(error.hint).toBe(
      'if you trust this author, write "subjectURI": "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.0"',
    );
  });

  it('says how to sign when there is no signature', async () => {
    const evidence = [NO_EVIDENCE];
    expect((await denial({ requirements: [BY_AUTHOR], evidence })).hint).toContain('cosign sign, without a key');
    expect((await denial({ requirements: [BY_AUTHORITY], evidence })).hint).toContain('--certificate-chain');
  });

  it('does not accept a key in place of a certificate, nor a certificate in place of a key', async () => {
    const error = await denial({ image: PAYLOAD_IMAGE, requirements: [BY_AUTHORITY] });
    expect(error.message).toContain('it has no certificate; the requirement is pki');
    await denial({ image: 'legacy-keyless', requirements: [REQUIREMENT] });
  });

  it('fails with the policy when the file of authorities has something else', async () => {
    const pki = { ...BY_AUTHORITY.pki, caRootsPath: '/keys/p256' };
    const error = await expectFailure('POLICY_INVALID', () =>
      authorise({ image: 'legacy-pki', requirements: [{ ...BY_AUTHORITY, pki }] }),
    );
    expect(error.message).toBe('policy: certificates /keys/p256: expected a PEM block "CERTIFICATE", got "PUBLIC KEY"');
  });
});

describe('sigstoreSigned with a trusted root', () => {
  const {
    rekorPublicKeyPath: _,
    fulcio: { caPath: __, ...author },
    ...others
  } = BY_AUTHOR;
  const text = publicKey('trusted-root');

  it.each<[string, object]>([
    ['trustedRootPath', { trustedRootPath: '/keys/trusted-root' }],
    ['trustedRootData as it is', { trustedRootData: text }],
    ['trustedRootData in base64', { trustedRootData: Buffer.from(text).toString('base64') }],
  ])('takes authorities and logs from %s', async (_, root) => {
    const keyless = { ...others, fulcio: author, ...root };
    const { signers } = await authorise({ image: 'legacy-keyless', requirements: [keyless] });
    expect(signers).toMatchObject([{ kind: 'sigstore-certificate', loggedAt: '2026-11-30T22:46:06.000Z' }]);
    const withKey = { ...BY_DIGEST, ...root };
    const logged = await authorise({ image: 'bundle-key-log', requirements: [withKey] });
    expect(logged.signers).toMatchObject([{ kind: 'sigstore-key', loggedAt: expect.stringMatching(/^2026-11-30T/) }]);
    const error = await denial({ image: BUNDLE_IMAGE, requirements: [withKey] });
    expect(error.message).toContain('with keyPath /keys/p256 and trustedRoot');
    expect(error.message).toContain('it has no log entry');
    expect(error.hint).toContain('tlogs of the trusted root');
  });

  it('fails with the policy when the trusted root is something else', async () => {
    const requirement = { ...REQUIREMENT, trustedRootPath: '/keys/p256' };
    const error = await expectFailure('POLICY_INVALID', () => authorise({ requirements: [requirement] }));
    expect(error.message).toContain('policy: trusted root /keys/p256: ');
  });
});

describe('a denial of sigstoreSigned', () => {
  it('shows no sealed secret that stands for a key', async () => {
    const sealed = 'sealed.fakejwsheader.c2VjcmV0.fakesignature';
    const error = await denial({
      requirements: [{ ...REQUIREMENT, keyPath: sealed, rekorPublicKeyPaths: [sealed] }],
      readKey: () => publicKey('p384'),
    });
    expect(error.message).toContain('with keyPath a sealed secret and rekorPublicKeyPaths a sealed secret: ');
    expect(error.message).toContain('the key of the requirement (a sealed secret)');
    expect(JSON.stringify(toPlainError(error))).not.toContain('c2VjcmV0');
  });

  it('names scope, requirement, each signature with its location and reason, and what to change', async () => {
    const attachments = ['legacy-p384', BUNDLE_IMAGE].map((name) => attachmentOf(signedImage(name)));
    const error = await denial({ image: BUNDLE_IMAGE, evidence: [found(...attachments)] });
    const name = signedImage(BUNDLE_IMAGE).repository;
    const remedy = 'to accept the image by its digest alone, write "signedIdentity": {"type":"digestOnly"}';
    expect(error.message).toBe(
      [
        `authorise ${name}:1.0: policy, default: requirement "sigstoreSigned" with keyPath /keys/p256: `,
        'none of 2 signatures counts: registry.example/app@sha256:0, layer 1: it is not by the key of the requirement ',
        '(/keys/p256), or is for other content (sign the image with this key; or, if you trust the owner of the other key, ',
        'list its public key as well (keyPaths, keyDatas)); registry.example/app@sha256:1, layer 1: it names no image, as cosign makes it: "signedIdentity" ',
        `{"type":"matchRepository"} does not match (${remedy})`,
      ].join(''),
    );
    // The second one is by a key of the policy.
    expect(error.hint).toBe(remedy);
    expect(error.context).toMatchObject({ scope: 'default' });
  });

  it('quotes the predicate that would have to be listed', async () => {
    const error = await denial({ image: 'attest-slsa-key' });
    expect(error.hint).toBe(
      'to accept such an attestation as a signature, write "predicateTypes": ["https://slsa.dev/provenance/v1"]',
    );
    const predicateTypes = ['https://slsa.dev/provenance/v1'];
    const image = await authorise({ image: 'attest-slsa-key', requirements: [{ ...REQUIREMENT, predicateTypes }] });
    expect(image.signers).toMatchObject([{ signedReference: signedImage('attest-slsa-key').repository }]);
  });

  it('says where no signature was found, and how to make one', async () => {
    const remarks = ['registry.example/app has no tag sha256-00.sig'];
    const error = await denial({ evidence: [{ ...NO_EVIDENCE, remarks }] });
    expect(error.message).toContain(`no signature was found; ${remarks[0]}`);
    expect(error.hint).toContain('cosign sign --key');
  });

  it('shows no control characters of a signature', async () => {
    const attachment = { ...attachmentOf(signedImage(BUNDLE_IMAGE)), content: '{"\\u001b[31m\\u202e\\n":1}' };
    const error = await denial({ evidence: [found(attachment)] });
    expect(error.message).toContain('unknown member');
    expect(error.message).not.toMatch(/[\p{C}]/u);
  });

  it('is none when a check fails, and the third is the last that is checked', async () => {
    let checks = 0;
    const verifier: SignatureVerifier = {
      ...INLINE_VERIFIER,
      verifySigstoreSignature: async () => {
        checks += 1;
        return { kind: 'refused', reason: 'check-failed', text: 'its check failed', remedy: undefined };
      },
    };
    const attachment = attachmentOf(signedImage(PAYLOAD_IMAGE));
    const evidence = [found(attachment, attachment, attachment, attachment)];
    await expectFailure('SIGNATURE_UNAVAILABLE', () => authorise({ verifier, evidence }));
    expect(checks).toBe(3);
  });
});

it('keys are loaded once, and each signature is verified once, while signatures are looked for', async () => {
  const loaded: string[] = [];
  let checks = 0;
  const verifier: SignatureVerifier = {
    ...INLINE_VERIFIER,
    verifySigstoreSignature: (check, signal) => {
      checks += 1;
      return INLINE_VERIFIER.verifySigstoreSignature(check, signal);
    },
  };
  const names = ['legacy-p384', 'bundle-p256', PAYLOAD_IMAGE];
  const all = found(...names.map((name) => attachmentOf(signedImage(name)))).signatures;
  const evidence = [1, 2, 3].map((count) => ({ ...NO_EVIDENCE, signatures: all.slice(0, count) }));
  const requirements = [{ ...REQUIREMENT, signedIdentity: { type: 'digestOnly' } }];
  await authorise({ evidence, loaded, verifier, requirements });
  expect([loaded, checks]).toEqual([['/keys/p256'], 3]);
});
