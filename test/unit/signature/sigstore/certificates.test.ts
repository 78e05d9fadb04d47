import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../../src/limits/index.ts';
import type { FulcioIdentity } from '../../../../src/signature/policy/index.ts';
import { expectFailure } from '../../../support/matchers.ts';
import {
  AUTHORITY,
  type CertificateOptions,
  dns,
  EKU,
  email,
  encodePem,
  extendedKeyUsage,
  extension,
  keyUsage,
  makeCertificate,
  nameConstraints,
  names,
  otherName,
  type TestCertificate,
  uri,
} from '../../../support/signatures/certificate-builder.ts';
import {
  bundleBy,
  byFulcio,
  byPki,
  CLAIMS,
  claim,
  IDENTITY,
  INTERMEDIATE,
  type KeylessOptions,
  LEAF_USES,
  LOGGED_AT,
  makeLeaf,
  makeOwnLeaf,
  OTHER_ROOT,
  oldIssuer,
  payloadBy,
  ROOT,
  SHORT_LIVED,
  SUBJECT,
} from '../../../support/signatures/certificate-cases.ts';
import { der, sequence } from '../../../support/signatures/der-builder.ts';
import { makeSigner } from '../../../support/signatures/sigstore-builder.ts';
import { LOG } from '../../../support/signatures/sigstore-cases.ts';
import {
  attachmentOf,
  attachmentVerdict,
  digestsOf,
  type JudgedAttachment,
  judgeAttachment,
  namedFiles,
  signedImage,
} from '../../../support/signatures/sigstore-signatures.ts';
import { rootFile } from '../../../support/sigstore/timed-signatures.ts';
import { TestLog } from '../../../support/sigstore/transparency-log.ts';
import { trustedRootJson } from '../../../support/sigstore/trusted-root.ts';

const FORMS = [
  ['a bundle', bundleBy],
  ['a payload with annotations', payloadBy],
] as const;
const LEAF = makeLeaf();
const OWN = makeOwnLeaf();

const refusal = (judged: JudgedAttachment): string => {
  const verdict = judgeAttachment(judged);
  return verdict.kind === 'accepted' ? 'accepted' : `${verdict.reason}: ${verdict.text}`;
};
const withNames = (...list: readonly Buffer[]): TestCertificate =>
  makeLeaf({ extensions: [...LEAF_USES, names(...list), ...CLAIMS] });
const withClaims = (...claims: readonly Buffer[]): TestCertificate =>
  makeLeaf({ extensions: [...LEAF_USES, names(uri(IDENTITY.subjectURI ?? '')), ...claims] });

describe.each(FORMS)('%s by the key of a certificate', (_, sign) => {
  it('is accepted when author, authority and time are those of the requirement, and names the author', () => {
    expect(judgeAttachment(byFulcio(sign(LEAF)))).toMatchObject({
      kind: 'accepted',
      signer: {
        kind: 'sigstore-certificate',
        subject: IDENTITY.subjectURI,
        oidcIssuer: IDENTITY.oidcIssuer,
        keyId: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
        loggedAt: LOGGED_AT.toISOString(),
      },
    });
    expect(judgeAttachment(byPki(sign(OWN)))).toMatchObject({
      kind: 'accepted',
      signer: { kind: 'sigstore-certificate', subject: SUBJECT.subjectEmail, oidcIssuer: undefined },
    });
  });

  it('is accepted with the certificates in between beside it', () => {
    expect(attachmentVerdict(byFulcio(sign(LEAF, { chain: [INTERMEDIATE] }), { ca: [ROOT] }))).toBe('accepted');
    expect(attachmentVerdict(byFulcio(sign(LEAF, { chain: [INTERMEDIATE, ROOT] }), { ca: [ROOT] }))).toBe('accepted');
    expect(attachmentVerdict(byPki(sign(OWN, { chain: [INTERMEDIATE] }), { intermediates: [] }))).toBe('accepted');
    expect(attachmentVerdict(byFulcio(sign(LEAF), { ca: [ROOT] }))).toBe('certificate-path');
    expect(attachmentVerdict(byPki(sign(OWN), { intermediates: [] }))).toBe('certificate-path');
  });

  it('is refused by another authority, also if that comes beside it', () => {
    const chain = [INTERMEDIATE, ROOT];
    expect(attachmentVerdict(byFulcio(sign(LEAF, { chain }), { ca: [OTHER_ROOT] }))).toBe('certificate-path');
    expect(attachmentVerdict(byPki(sign(OWN, { chain }), { roots: [OTHER_ROOT], intermediates: [] }))).toBe(
      'certificate-path',
    );
  });

  it('is refused by another key than that of its certificate', () => {
    const signer = makeSigner();
    expect(attachmentVerdict(byFulcio(sign({ ...LEAF, signer })))).toBe('not-authentic');
    expect(attachmentVerdict(byPki(sign({ ...OWN, signer })))).toBe('not-authentic');
  });

  it('is refused for another image', () => {
    const { document } = signedImage('legacy-p384');
    expect(attachmentVerdict({ ...byFulcio(sign(LEAF)), digests: digestsOf(document) })).toBe('digest');
    expect(attachmentVerdict({ ...byPki(sign(OWN)), digests: digestsOf(document) })).toBe('digest');
  });

  it('CVE-2026-22703: is refused when the log has seen another certificate, or the bare key', () => {
    const other = makeLeaf({ signer: LEAF.signer });
    expect(refusal(byFulcio(sign(LEAF, { recorded: other.pem })))).toBe(
      'log: its log entry is about another certificate',
    );
    expect(refusal(byFulcio(sign(LEAF, { recorded: LEAF.signer.publicKey })))).toBe(
      'log: its log entry is about another certificate',
    );
  });

  it('is refused without a log, and by another log', () => {
    expect(refusal(byFulcio(sign(LEAF, { isLogged: false })))).toContain('log: it has no log entry');
    const logKeys = [new TestLog().signer.publicKey];
    expect(refusal({ ...byFulcio(sign(LEAF)), logKeys })).toContain('log: its log entries are of other logs');
  });

  it('is refused without a certificate', () => {
    const attachment = attachmentOf(signedImage('legacy-p256'));
    expect(refusal(byFulcio(attachment))).toBe('certificate: it has no certificate; the requirement is fulcio');
    expect(refusal(byPki(attachmentOf(signedImage('bundle-p256'))))).toContain('it has no certificate');
  });
});

describe('CVE-2026-24122: a certificate is valid when the signature was made', () => {
  const SECOND_MS = 1000;
  const before = new Date(LOGGED_AT.getTime() - SECOND_MS);
  const after = new Date(LOGGED_AT.getTime() + SECOND_MS);
  const sub = (options: CertificateOptions) =>
    makeCertificate({ subject: 'fulcio', issuer: ROOT, signer: INTERMEDIATE.signer, ...options });

  it('by Fulcio: when the log has seen it, and neither earlier nor now', () => {
    const leaf = makeLeaf({ notBefore: LOGGED_AT, notAfter: LOGGED_AT });
    expect(attachmentVerdict(byFulcio(bundleBy(leaf)))).toBe('accepted');
    const [early, late] = [makeLeaf({ notAfter: before }), makeLeaf({ notBefore: after })];
    for (const untimely of [early, late]) {
      expect(attachmentVerdict(byFulcio(bundleBy(untimely)))).toBe('certificate-time');
      expect(attachmentVerdict({ ...byFulcio(bundleBy(untimely)), nowMs: before.getTime() })).toBe('certificate-time');
    }
  });

  it('an intermediate or root that has expired is refused', () => {
    expect(attachmentVerdict(byFulcio(bundleBy(LEAF), { ca: [ROOT, sub({ notAfter: LOGGED_AT })] }))).toBe('accepted');
    expect(attachmentVerdict(byFulcio(bundleBy(LEAF), { ca: [sub({ notAfter: before })] }))).toBe('certificate-time');
    expect(attachmentVerdict(byFulcio(bundleBy(LEAF), { ca: [sub({ notBefore: after })] }))).toBe('certificate-time');
    const root = makeCertificate({ subject: 'fulcio root', signer: ROOT.signer, notAfter: before });
    const chain = [INTERMEDIATE];
    expect(attachmentVerdict(byFulcio(bundleBy(LEAF, { chain }), { ca: [root] }))).toBe('certificate-time');
    expect(attachmentVerdict(byPki(bundleBy(OWN), { roots: [root] }))).toBe('certificate-time');
    expect(attachmentVerdict(byPki(bundleBy(OWN), { intermediates: [sub({ notAfter: before })] }))).toBe(
      'certificate-time',
    );
  });

  it('by an authority of one’s own without a log: now', () => {
    const own = bundleBy(makeOwnLeaf({ ...SHORT_LIVED }), { isLogged: false });
    expect(attachmentVerdict(byPki(own))).toBe('accepted');
    expect(attachmentVerdict({ ...byPki(own), nowMs: SHORT_LIVED.notAfter.getTime() + 1 })).toBe('certificate-time');
    expect(attachmentVerdict({ ...byPki(own), nowMs: SHORT_LIVED.notBefore.getTime() - 1 })).toBe('certificate-time');
    // A log that the requirement does not name proves nothing.
    const logged = bundleBy(makeOwnLeaf({ ...SHORT_LIVED }));
    expect(attachmentVerdict({ ...byPki(logged), nowMs: SHORT_LIVED.notAfter.getTime() + 1 })).toBe('certificate-time');
  });

  it('by an authority of one’s own with a log of a trusted root: when that has seen it, and not now', () => {
    const trustedRoot = rootFile(trustedRootJson({ logs: [LOG] }));
    const nowMs = SHORT_LIVED.notAfter.getTime() + 1;
    const judge = (leaf: TestCertificate, options: KeylessOptions = {}) =>
      attachmentVerdict({ ...byPki(bundleBy(leaf, options)), trustedRoot, nowMs });
    expect(judge(makeOwnLeaf({ ...SHORT_LIVED }))).toBe('accepted');
    expect(judge(makeOwnLeaf({ notBefore: after }))).toBe('certificate-time');
    expect(judge(makeOwnLeaf(), { isLogged: false })).toBe('log');
  });

  it('with an inclusion proof alone, which has no time, it is refused', () => {
    const bundle = JSON.parse(bundleBy(LEAF).content);
    const [entry] = bundle.verificationMaterial.tlogEntries;
    delete entry.inclusionPromise;
    const attachment = { ...bundleBy(LEAF), content: JSON.stringify(bundle) };
    expect(refusal(byFulcio(attachment))).toContain(
      'certificate-time: nothing that the requirement trusts proves when',
    );
  });
});

describe('CVE-2026-48815 and CVE-2025-29778: every member of fulcio counts by itself', () => {
  const only = (member: Partial<FulcioIdentity>): FulcioIdentity => ({
    oidcIssuer: IDENTITY.oidcIssuer,
    subjectURI: IDENTITY.subjectURI,
    ...member,
  });
  const mail = withNames(email('a@acme.example'));
  const byMail = { oidcIssuer: IDENTITY.oidcIssuer, subjectEmail: 'a@acme.example' };

  it.each<[keyof FulcioIdentity, string, string]>([
    ['oidcIssuer', IDENTITY.oidcIssuer, 'https://token.actions.githubusercontent.com/'],
    [
      'subjectURI',
      'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.0',
      'https://github.com/acme/app',
    ],
    [
      'subjectURI',
      'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*',
      'https://github.com/acme/app/.github/workflows/release.yml@refs/heads/*',
    ],
    [
      'subjectURI',
      'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.*',
      'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v2.*',
    ],
    [
      'buildSignerURI',
      'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.0',
      'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1',
    ],
    [
      'buildSignerURI',
      'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*',
      'https://github.com/acme/other/.github/workflows/release.yml@refs/tags/*',
    ],
    ['sourceRepositoryURI', 'https://github.com/acme/app', 'https://github.com/acme'],
    ['sourceRepositoryRef', 'refs/tags/v1.0', 'refs/heads/v1.0'],
    ['sourceRepositoryRef', 'refs/tags/*', 'refs/heads/*'],
    ['runnerEnvironment', 'github-hosted', 'self-hosted'],
  ])('%s %s', (member, right, wrong) => {
    const judge = (value: string) => byFulcio(bundleBy(LEAF), { identity: only({ [member]: value }) });
    expect(attachmentVerdict(judge(right))).toBe('accepted');
    const verdict = judgeAttachment(judge(wrong));
    expect(verdict).toMatchObject({
      reason: 'author',
      text: expect.stringContaining(`its certificate says ${member} "`),
      remedy: expect.stringContaining(`if you trust this author, write "${member}": "${IDENTITY[member]}"`),
    });
    expect(verdict).toMatchObject({ text: expect.stringContaining(`the requirement asks for "${wrong}"`) });
  });

  it('subjectEmail', () => {
    expect(attachmentVerdict(byFulcio(bundleBy(mail), { identity: byMail }))).toBe('accepted');
    for (const subjectEmail of ['A@acme.example', 'a@acme.exampl', '@acme.example', '*', 'a@acme.exampl*']) {
      expect(attachmentVerdict(byFulcio(bundleBy(mail), { identity: { ...byMail, subjectEmail } }))).toBe('author');
    }
  });

  it('oidcIssuer, also with a * at its end', () => {
    const identity = only({ oidcIssuer: 'https://token.actions.githubusercontent.co*' });
    expect(attachmentVerdict(byFulcio(bundleBy(LEAF), { identity }))).toBe('author');
  });

  it.each<[keyof FulcioIdentity, number]>([
    ['buildSignerURI', 2],
    ['runnerEnvironment', 3],
    ['sourceRepositoryURI', 4],
    ['sourceRepositoryRef', 5],
  ])('%s is refused for a certificate without this claim', (member, position) => {
    const leaf = withClaims(...CLAIMS.filter((_, index) => index !== position));
    const identity = only({ [member]: IDENTITY[member] });
    expect(refusal(byFulcio(bundleBy(leaf), { identity }))).toContain(`author: its certificate says no ${member}`);
    expect(attachmentVerdict(byFulcio(bundleBy(leaf), { identity: only({}) }))).toBe('accepted');
  });

  it('a name of another kind is no address and no URI', () => {
    const text = IDENTITY.subjectURI ?? '';
    for (const leaf of [withNames(dns(text)), withNames(otherName(text)), withNames(email(text))]) {
      expect(attachmentVerdict(byFulcio(bundleBy(leaf), { identity: only({}) }))).toBe('author');
    }
    const identity = { oidcIssuer: IDENTITY.oidcIssuer, subjectEmail: text };
    expect(attachmentVerdict(byFulcio(bundleBy(LEAF), { identity }))).toBe('author');
  });

  it('caPath', () => {
    expect(attachmentVerdict(byFulcio(bundleBy(LEAF), { ca: [INTERMEDIATE] }))).toBe('accepted');
    expect(attachmentVerdict(byFulcio(bundleBy(LEAF), { ca: [OTHER_ROOT] }))).toBe('certificate-path');
  });
});

describe('a certificate by Fulcio', () => {
  it.each<[string, TestCertificate, string]>([
    ['two names', withNames(uri(IDENTITY.subjectURI ?? ''), uri('https://x')), 'expected one name, got 2'],
    ['its name twice', withNames(...Array(2).fill(uri(IDENTITY.subjectURI ?? ''))), 'expected one name, got 2'],
    ['no name', makeLeaf({ extensions: [...LEAF_USES, ...CLAIMS] }), 'expected one name, got 0'],
    ['no issuer', withClaims(...CLAIMS.slice(2)), 'it names no OIDC issuer'],
    ['two issuers', withClaims(oldIssuer('https://x'), claim(8, IDENTITY.oidcIssuer)), 'it names two OIDC issuers'],
    ['an issuer twice', withClaims(...CLAIMS, claim(8, IDENTITY.oidcIssuer)), 'twice'],
    [
      'a claim that is no text',
      withClaims(...CLAIMS.slice(0, 2), extension('1.3.6.1.4.1.57264.1.9', Buffer.from('x'))),
      'extension 1.3.6.1.4.1.57264.1.9',
    ],
    ['an issuer that is no UTF-8', withClaims(extension('1.3.6.1.4.1.57264.1.1', Buffer.from([255]))), 'UTF-8'],
    [
      'an unknown critical extension',
      withClaims(...CLAIMS, extension('1.2.3', Buffer.from([5, 0]), true)),
      'critical extension',
    ],
    ['RSA of 1024 bits', makeLeaf({ signer: makeSigner('RSA-1024') }), 'RSA of 1024 bits'],
  ])('is refused with %s', (_, leaf, text) => {
    expect(refusal(byFulcio(bundleBy(leaf)))).toMatch(/^certificate: its certificate cannot be used: /);
    expect(refusal(byFulcio(bundleBy(leaf)))).toContain(text);
  });

  it('is accepted with one of the two spellings of its issuer', () => {
    expect(attachmentVerdict(byFulcio(bundleBy(withClaims(...CLAIMS.slice(1)))))).toBe('accepted');
    const [old, , ...others] = CLAIMS;
    expect(attachmentVerdict(byFulcio(bundleBy(withClaims(...(old === undefined ? [] : [old]), ...others))))).toBe(
      'accepted',
    );
  });

  it.each<[string, readonly Buffer[]]>([
    ['TLS', [keyUsage(0), extendedKeyUsage('1.3.6.1.5.5.7.3.1')]],
    ['any use', [keyUsage(0), extendedKeyUsage(EKU.any)]],
    ['no use by name', [keyUsage(0)]],
    ['keys', [keyUsage(2), extendedKeyUsage(EKU.codeSigning)]],
  ])('that is for %s is refused', (_, uses) => {
    const extensions = [...uses, names(uri(IDENTITY.subjectURI ?? '')), ...CLAIMS];
    expect(attachmentVerdict(byFulcio(bundleBy(makeLeaf({ extensions }))))).toBe('certificate-use');
  });

  it('may not have a name that its authority may not certify', () => {
    const judge = (host: string) => {
      const extensions = [...AUTHORITY, nameConstraints({ permitted: [uri(host)] })];
      const authority = makeCertificate({ subject: 'fulcio', signer: INTERMEDIATE.signer, issuer: ROOT, extensions });
      return attachmentVerdict(byFulcio(bundleBy(LEAF), { ca: [authority] }));
    };
    expect(judge('github.com')).toBe('accepted');
    expect(judge('gitlab.com')).toBe('certificate-use');
  });

  it('that is signed with SHA-1 is refused', () => {
    expect(refusal(byFulcio(bundleBy(makeLeaf({ algorithm: 'ecdsa-sha1' }))))).toContain(
      'certificate-path: its certificate is signed with the algorithm 1.2.840.10045.4.1',
    );
  });

  it('shows no control characters, whatever it says', () => {
    const leaf = withClaims(...CLAIMS.slice(0, 2), claim(11, '\u001b[31m\u202e\n'));
    const verdict = judgeAttachment(byFulcio(bundleBy(leaf), { identity: { ...IDENTITY, buildSignerURI: undefined } }));
    expect(verdict).toMatchObject({ reason: 'author' });
    expect(JSON.stringify(verdict)).not.toMatch(/\\u001b|\u202e|\\n/);
  });
});

describe('CVE-2026-48815 and CVE-2025-29778: every member of pki counts by itself', () => {
  const ci = makeOwnLeaf({ extensions: [...LEAF_USES, names(email('release@acme.example'), dns('*.acme.example'))] });

  it.each([
    ['subjectEmail', { subjectEmail: 'release@acme.example' }, { subjectEmail: 'Release@acme.example' }],
    ['subjectHostname', { subjectHostname: 'CI.acme.example' }, { subjectHostname: 'acme.example' }],
    [
      'subjectHostname beside subjectEmail',
      { subjectEmail: 'release@acme.example', subjectHostname: 'ci.acme.example' },
      { subjectEmail: 'release@acme.example', subjectHostname: 'a.ci.acme.example' },
    ],
    [
      'subjectEmail beside subjectHostname',
      { subjectEmail: 'release@acme.example', subjectHostname: 'ci.acme.example' },
      { subjectEmail: '*.acme.example', subjectHostname: 'ci.acme.example' },
    ],
  ])('%s', (_, right, wrong) => {
    expect(attachmentVerdict(byPki(bundleBy(ci), { subject: right }))).toBe('accepted');
    expect(attachmentVerdict(byPki(bundleBy(ci), { subject: wrong }))).toBe('author');
  });

  it('the refusal says which names there are, and what to write', () => {
    const subject = { subjectEmail: 'other@acme.example' };
    expect(judgeAttachment(byPki(bundleBy(ci), { subject }))).toMatchObject({
      text: 'its certificate is for email "release@acme.example", dns "*.acme.example"; the requirement asks for subjectEmail "other@acme.example"',
      remedy: 'if you trust this author, write "subjectEmail": "release@acme.example"',
    });
    expect(judgeAttachment(byPki(bundleBy(OWN), { subject: { subjectHostname: 'x.example' } }))).toMatchObject({
      reason: 'author',
      remedy: undefined,
    });
  });

  it('caRootsPath and caIntermediatesPath', () => {
    expect(attachmentVerdict(byPki(bundleBy(OWN)))).toBe('accepted');
    expect(attachmentVerdict(byPki(bundleBy(OWN), { roots: [OTHER_ROOT] }))).toBe('certificate-path');
    expect(attachmentVerdict(byPki(bundleBy(OWN), { intermediates: [OTHER_ROOT] }))).toBe('certificate-path');
    // An intermediate is no root.
    expect(attachmentVerdict(byPki(bundleBy(OWN), { roots: [OTHER_ROOT], intermediates: [INTERMEDIATE] }))).toBe(
      'certificate-path',
    );
  });

  it.each(['P-384', 'P-521', 'RSA', 'Ed25519'] as const)('a key of the kind %s', (kind) => {
    const hash = { 'P-384': 'sha384', 'P-521': 'sha512', RSA: 'sha256', Ed25519: null }[kind];
    const own = makeOwnLeaf({ signer: makeSigner(kind, hash) });
    expect(attachmentVerdict(byPki(bundleBy(own)))).toBe('accepted');
    expect(attachmentVerdict(byPki(payloadBy(own, { isLogged: false })))).toBe('accepted');
  });

  it('the claims of Fulcio are not asked for', () => {
    expect(attachmentVerdict(byPki(bundleBy(OWN)))).toBe('accepted');
    expect(refusal(byFulcio(bundleBy(OWN)))).toContain('it names no OIDC issuer, so it is not by Fulcio');
  });
});

describe('annotations with certificates', () => {
  const signed = payloadBy(OWN, { isLogged: false });
  const withAnnotations = (annotations: Readonly<Record<string, string>>) =>
    byPki({ ...signed, annotations: { ...signed.annotations, ...annotations } });
  const CERTIFICATE = 'dev.sigstore.cosign/certificate';
  const CHAIN = 'dev.sigstore.cosign/chain';

  it.each<[string, string, string]>([
    ['a text', CERTIFICATE, 'x'],
    ['nothing', CERTIFICATE, ''],
    ['two blocks', CERTIFICATE, OWN.pem + INTERMEDIATE.pem],
    ['a public key', CERTIFICATE, OWN.signer.publicKey],
    ['text before it', CERTIFICATE, `x\n${OWN.pem}`],
    ['text behind it', CERTIFICATE, `${OWN.pem}x`],
    ['a line end in the wrong base64', CERTIFICATE, OWN.pem.replace('MII', 'MI I')],
    ['a text', CHAIN, 'x'],
    ['a blank', CHAIN, ' '],
    ['a public key', CHAIN, OWN.signer.publicKey],
    ['text between blocks', CHAIN, `${INTERMEDIATE.pem}x\n${ROOT.pem}`],
  ])('%s in %s is refused', (_, name, text) => {
    expect(refusal(withAnnotations({ [name]: text }))).toContain(`malformed: its annotation ${name}: expected`);
  });

  it('bytes that are no certificate are refused', () => {
    for (const name of [CERTIFICATE, CHAIN]) {
      expect(attachmentVerdict(withAnnotations({ [name]: encodePem(Buffer.from('x')) }))).toBe('certificate');
    }
  });

  it('line ends between blocks and of another kind are read', () => {
    const chain = `${INTERMEDIATE.pem}\n${ROOT.pem}`;
    expect(attachmentVerdict(withAnnotations({ [CHAIN]: chain }))).toBe('accepted');
    expect(attachmentVerdict(withAnnotations({ [CERTIFICATE]: OWN.pem.replaceAll('\n', '\r\n') }))).toBe('accepted');
    expect(attachmentVerdict(withAnnotations({ [CHAIN]: '' }))).toBe('accepted');
  });

  it('a chain has as many certificates as the limit allows', () => {
    const chain = (count: number) => Array(count).fill(INTERMEDIATE.pem).join('');
    expect(attachmentVerdict(withAnnotations({ [CHAIN]: chain(9) }))).toBe('accepted');
    expect(refusal(withAnnotations({ [CHAIN]: chain(10) }))).toBe(
      'too-large: it has 11 certificates; expected at most 10 (maxBundleCertificates)',
    );
  });
});

describe('files with certificates', () => {
  const judge =
    (rawBytes: Uint8Array | string, changes: Partial<JudgedAttachment> = {}) =>
    () =>
      attachmentVerdict({
        ...byPki(bundleBy(OWN)),
        author: {
          kind: 'pki',
          roots: [{ name: '/keys/ca', rawBytes: Buffer.from(rawBytes) }],
          intermediates: [{ name: '/keys/sub', rawBytes: Buffer.from(INTERMEDIATE.pem) }],
          subject: SUBJECT,
        },
        ...changes,
      });

  it('have blocks of PEM, or one certificate in DER', () => {
    expect(judge(ROOT.pem)()).toBe('accepted');
    expect(judge(ROOT.raw)()).toBe('accepted');
    expect(judge(`${OTHER_ROOT.pem}\n${ROOT.pem}\n`)()).toBe('accepted');
  });

  it.each<[string, Uint8Array | string, string]>([
    ['nothing', '', 'DER'],
    ['a text', 'x', 'DER'],
    ['a public key', ROOT.signer.publicKey, 'expected a PEM block "CERTIFICATE", got "PUBLIC KEY"'],
    ['text around the blocks', `subject=x\n${ROOT.pem}`, 'DER'],
    ['text between the blocks', `${ROOT.pem}x\n${ROOT.pem}`, 'expected PEM blocks "CERTIFICATE" alone'],
    ['two in DER', Buffer.concat([ROOT.raw, ROOT.raw]), 'DER'],
    ['the certificate of an author', OWN.pem, 'expected the certificate of an authority (CA:TRUE)'],
    ['RSA of 1024 bits', makeCertificate({ signer: makeSigner('RSA-1024'), algorithm: 'rsa-sha256' }).pem, '1024'],
  ])('that hold %s make the policy invalid', async (_, rawBytes, text) => {
    const error = await expectFailure('POLICY_INVALID', judge(rawBytes));
    expect(error.message).toContain('policy: certificates /keys/ca: ');
    expect(error.message).toContain(text);
  });

  it('are within the limits of keys', async () => {
    for (const limit of ['maxKeyRingKeys', 'maxKeyRingBytes'] as const) {
      const most = limit === 'maxKeyRingKeys' ? 2 : ROOT.pem.length + INTERMEDIATE.pem.length;
      expect(judge(ROOT.pem, { limits: { ...DEFAULT_LIMITS, [limit]: most } })()).toBe('accepted');
      const error = await expectFailure(
        'POLICY_INVALID',
        judge(ROOT.pem, { limits: { ...DEFAULT_LIMITS, [limit]: most - 1 } }),
      );
      expect(error.context).toMatchObject({ limit });
    }
  });
});

describe('DER that is nested deeper than maxDerDepth', () => {
  /** A name of another kind that is nested, in a list of names, as deep as `depth`. */
  const nested = (depth: number): TestCertificate => {
    let value = sequence();
    for (let at = 3; at < depth; at += 1) value = sequence(value);
    return makeOwnLeaf({ extensions: [...LEAF_USES, names(email('release@acme.example'), der(0xa0, value))] });
  };

  it('is refused by the limit', () => {
    expect(attachmentVerdict(byPki(bundleBy(nested(32))))).toBe('accepted');
    expect(refusal(byPki(bundleBy(nested(33))))).toContain('nested deeper than 32 (maxDerDepth)');
    const limits = { ...DEFAULT_LIMITS, maxDerDepth: 33 };
    expect(attachmentVerdict({ ...byPki(bundleBy(nested(33))), limits })).toBe('accepted');
  });
});

describe('an image that cosign 3.1.3 signed without a key', () => {
  const identity: FulcioIdentity = { oidcIssuer: IDENTITY.oidcIssuer, subjectURI: IDENTITY.subjectURI };
  const judged = (image: string, changes: Partial<JudgedAttachment> = {}, who = identity): JudgedAttachment => ({
    image,
    author: { kind: 'fulcio', ca: namedFiles(['fulcio']), identity: who },
    logKeys: ['rekor'],
    predicateTypes: image.startsWith('attest') ? ['https://slsa.dev/provenance/v1'] : [],
    ...changes,
  });
  const IMAGES = ['bundle-keyless', 'legacy-keyless', 'attest-slsa-keyless'];

  it.each(IMAGES)('%s is accepted, long after its certificate has expired', (image) => {
    expect(judgeAttachment(judged(image))).toMatchObject({
      kind: 'accepted',
      signer: { subject: IDENTITY.subjectURI, loggedAt: expect.stringMatching(/^2026-11-30T22:4[56]/) },
    });
    expect(attachmentVerdict(judged(image, {}, IDENTITY))).toBe('accepted');
  });

  it.each(IMAGES)(
    '%s is refused for another issuer, author, workflow, reference, authority, log and image',
    (image) => {
      const verdict = (who: Partial<FulcioIdentity>) => attachmentVerdict(judged(image, {}, { ...identity, ...who }));
      expect(verdict({ oidcIssuer: 'https://accounts.example' })).toBe('author');
      expect(verdict({ subjectURI: 'https://github.com/acme/app/.github/workflows/other.yml@refs/tags/v1.0' })).toBe(
        'author',
      );
      expect(verdict({ subjectURI: 'https://github.com/acme/app/.github/workflows/release.yml@refs/heads/*' })).toBe(
        'author',
      );
      expect(verdict({ buildSignerURI: 'https://github.com/acme/other' })).toBe('author');
      expect(verdict({ sourceRepositoryRef: 'refs/tags/v1.1' })).toBe('author');
      const ca = { author: { kind: 'fulcio', ca: namedFiles(['pki-root', 'tsa']), identity } } as const;
      expect(attachmentVerdict(judged(image, { author: { ...ca.author, ca: namedFiles(['pki-root']) } }))).toBe(
        'certificate-path',
      );
      expect(attachmentVerdict(judged(image, { logKeys: ['p256'] }))).toBe('log');
      expect(attachmentVerdict(judged(image, { digests: digestsOf(signedImage('bundle-p256').document) }))).toBe(
        'digest',
      );
    },
  );

  it('an attestation is no signature unless its predicate is listed', () => {
    expect(attachmentVerdict(judged('attest-slsa-keyless', { predicateTypes: [] }))).toBe('predicate');
  });

  it('legacy-keyless is refused under another name, and a bundle by every rule about names', () => {
    expect(attachmentVerdict(judged('legacy-keyless', { imageReference: 'registry.example/other:1' }))).toBe(
      'identity',
    );
    expect(attachmentVerdict(judged('bundle-keyless', { identity: { type: 'matchRepository' } }))).toBe('identity');
  });
});

describe('an image that cosign 3.1.3 signed with a certificate of an own authority', () => {
  const judged = (
    changes: Partial<JudgedAttachment> = {},
    intermediates: readonly string[] = [],
  ): JudgedAttachment => ({
    image: 'legacy-pki',
    author: {
      kind: 'pki',
      roots: namedFiles(['pki-root']),
      intermediates: namedFiles(intermediates),
      subject: { subjectEmail: 'release@acme.example' },
    },
    ...changes,
  });

  it('is accepted with its chain, and with the intermediate of the policy', () => {
    expect(attachmentVerdict(judged())).toBe('accepted');
    const attachment = attachmentOf(signedImage('legacy-pki'));
    const annotations = { ...attachment.annotations, 'dev.sigstore.cosign/chain': '' };
    const alone = { attachment: { ...attachment, annotations } };
    expect(attachmentVerdict(judged(alone))).toBe('certificate-path');
    expect(attachmentVerdict(judged(alone, ['pki-sub']))).toBe('accepted');
  });

  it('is refused for another address, authority, image, name, and time', () => {
    const { author } = judged();
    if (author?.kind !== 'pki') throw new Error('expected pki');
    const subject = { subjectEmail: 'other@acme.example' };
    expect(attachmentVerdict(judged({ author: { ...author, subject } }))).toBe('author');
    expect(attachmentVerdict(judged({ author: { ...author, subject: { subjectHostname: 'acme.example' } } }))).toBe(
      'author',
    );
    expect(attachmentVerdict(judged({ author: { ...author, roots: namedFiles(['fulcio']) } }))).toBe(
      'certificate-path',
    );
    expect(attachmentVerdict(judged({ digests: digestsOf(signedImage('bundle-p256').document) }))).toBe('digest');
    expect(attachmentVerdict(judged({ imageReference: 'registry.example/other:1' }))).toBe('identity');
    expect(attachmentVerdict(judged({ nowMs: Date.UTC(2046, 0, 1) }))).toBe('certificate-time');
    expect(attachmentVerdict(judged({ nowMs: Date.UTC(2026, 10, 1) }))).toBe('certificate-time');
  });
});
