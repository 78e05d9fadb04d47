import { describe, expect, it } from 'vitest';
import {
  type Certificate,
  findPath,
  matchHostname,
  PURPOSE,
  readCertificate,
} from '../../../../src/signature/certificates/index.ts';
import {
  AUTHORITY,
  authority,
  type CertificateOptions,
  type Constraints,
  dns,
  EKU,
  email,
  extendedKeyUsage,
  ip,
  keyUsage,
  makeCertificate,
  nameConstraints,
  names,
  otherName,
  type TestCertificate,
  uri,
} from '../../../support/signatures/certificate-builder.ts';
import { LEAF_USES } from '../../../support/signatures/certificate-cases.ts';
import { der } from '../../../support/signatures/der-builder.ts';
import { makeSigner } from '../../../support/signatures/sigstore-builder.ts';

const refuse = (what: string): never => {
  throw new Error(what);
};
const read = ({ raw }: TestCertificate): Certificate => readCertificate(raw, { maxDepth: 32 }, refuse);
const AT = new Date('2026-06-01T00:00:00Z');
const BEFORE = new Date('2026-05-31T23:59:59Z');

const ROOT = makeCertificate({ subject: 'root' });
const SUB = makeCertificate({ subject: 'sub', issuer: ROOT });
const [LEAF_KEY, SUB_KEY] = [makeSigner(), makeSigner()];
const makeLeaf = (options: CertificateOptions = {}): TestCertificate =>
  makeCertificate({ subject: 'leaf', issuer: SUB, extensions: LEAF_USES, signer: LEAF_KEY, ...options });
const makeSub = (options: CertificateOptions = {}): TestCertificate =>
  makeCertificate({ subject: 'sub', issuer: ROOT, signer: SUB_KEY, ...options });

interface Looked {
  readonly leaf: TestCertificate;
  readonly intermediates?: readonly TestCertificate[];
  readonly anchors?: readonly TestCertificate[];
  readonly times?: readonly Date[];
}

/** Returns the subjects of the path, or why there is none. */
function look({ leaf, intermediates = [SUB], anchors = [ROOT], times = [AT] }: Looked): readonly string[] | string {
  const found = findPath({
    leaf: read(leaf),
    intermediates: intermediates.map(read),
    anchors: anchors.map(read),
    times,
    purpose: PURPOSE.codeSigning,
  });
  return found.path?.map(({ subjectText }) => subjectText) ?? `${found.problem?.kind}: ${found.problem?.text}`;
}

describe('findPath', () => {
  it('finds the way from a certificate to a trusted authority', () => {
    expect(look({ leaf: makeLeaf() })).toEqual(['leaf', 'sub', 'root']);
    expect(look({ leaf: makeLeaf({ issuer: ROOT }), intermediates: [] })).toEqual(['leaf', 'root']);
  });

  it('ends at the first authority that is trusted', () => {
    expect(look({ leaf: makeLeaf(), anchors: [SUB], intermediates: [] })).toEqual(['leaf', 'sub']);
  });

  it('finds it among certificates of the same name, in any order', () => {
    const stranger = makeSub({ issuer: makeCertificate({ subject: 'root' }) });
    for (const intermediates of [
      [stranger, SUB],
      [SUB, stranger],
    ]) {
      expect(look({ leaf: makeLeaf(), intermediates })).toEqual(['leaf', 'sub', 'root']);
    }
    expect(look({ leaf: makeLeaf(), anchors: [makeCertificate({ subject: 'root' }), ROOT] })).toHaveLength(3);
  });

  it.each<[string, Looked, string]>([
    ['without a trusted authority', { leaf: makeLeaf(), anchors: [] }, 'path: no trusted authority has issued'],
    ['without the certificate between', { leaf: makeLeaf(), intermediates: [] }, 'path: no trusted authority'],
    [
      'to another authority of the same name',
      { leaf: makeLeaf(), anchors: [makeCertificate({ subject: 'root' })] },
      'path: ',
    ],
    ['by another key of that name', { leaf: makeLeaf({ issuer: { ...SUB, signer: LEAF_KEY } }) }, 'path: '],
    ['that is its own', { leaf: makeLeaf({ subject: 'root', issuer: ROOT }), anchors: [] }, 'path: '],
    ['that is the authority itself', { leaf: ROOT }, 'path: '],
  ])('finds none %s', (_, looked, text) => {
    expect(look(looked)).toContain(text);
  });

  it('does not count SHA-1, nor an algorithm of another kind of key', () => {
    const rsa = makeSub({ signer: makeSigner('RSA') });
    const judge = (sub: TestCertificate, algorithm: CertificateOptions['algorithm']) =>
      look({
        leaf: makeLeaf({ issuer: sub, ...(algorithm === undefined ? {} : { algorithm }) }),
        intermediates: [sub],
      });
    expect(judge(rsa, 'rsa-sha256')).toHaveLength(3);
    expect(judge(rsa, 'rsa-sha1')).toContain('the algorithm 1.2.840.113549.1.1.5, which does not count');
    expect(judge(rsa, 'ecdsa-sha256')).toContain('is not signed by the authority');
    for (const algorithm of ['ecdsa-sha256', 'ecdsa-sha384', 'ecdsa-sha512'] as const) {
      expect(judge(makeSub(), algorithm)).toHaveLength(3);
    }
    expect(judge(makeSub(), 'ecdsa-sha1')).toContain('the algorithm 1.2.840.10045.4.1, which does not count');
    const edwards = makeSub({ signer: makeSigner('Ed25519') });
    expect(judge(edwards, 'ed25519')).toHaveLength(3);
  });

  describe('CVE-2026-24122: every certificate has to be valid at the time', () => {
    const [early, late] = [{ notAfter: BEFORE }, { notBefore: new Date(AT.getTime() + 1000) }];
    const withSub = (sub: TestCertificate): Looked => ({ leaf: makeLeaf({ issuer: sub }), intermediates: [sub] });
    const withRoot = (options: CertificateOptions): Looked => {
      const root = makeCertificate({ subject: 'root', signer: ROOT.signer, ...options });
      return { leaf: makeLeaf(), anchors: [root] };
    };

    it.each<[string, Looked]>([
      ['a leaf that has expired', { leaf: makeLeaf(early) }],
      ['a leaf of later', { leaf: makeLeaf(late) }],
      ['an intermediate that has expired', withSub(makeSub(early))],
      ['an intermediate of later', withSub(makeSub(late))],
      ['a root that has expired', withRoot(early)],
      ['a root of later', withRoot(late)],
    ])('%s is refused', (_, looked) => {
      expect(look(looked)).toMatch(
        /^time: the certificate of "(?:leaf|sub|root)" is valid from .* and not at 2026-06-01/,
      );
    });

    it('the first and the last second count, and all times have to', () => {
      const leaf = makeLeaf({ notBefore: AT, notAfter: AT });
      expect(look({ leaf })).toHaveLength(3);
      expect(look({ leaf, times: [AT, AT] })).toHaveLength(3);
      expect(look({ leaf, times: [AT, BEFORE] })).toContain('time: ');
      expect(look({ leaf, times: [BEFORE, AT] })).toContain('time: ');
    });

    it('a certificate of the same key that is valid is taken instead', () => {
      const expired = makeSub(early);
      const leaf = makeLeaf({ issuer: expired });
      expect(look({ leaf, intermediates: [expired, makeSub()] })).toHaveLength(3);
    });
  });

  describe('what a certificate may be used for', () => {
    const leafWith = (...extensions: readonly Buffer[]): Looked => ({ leaf: makeLeaf({ extensions }) });
    const subWith = (...extensions: readonly Buffer[]): Looked => {
      const sub = makeSub({ extensions });
      return { leaf: makeLeaf({ issuer: sub }), intermediates: [sub] };
    };
    const rootWith = (...extensions: readonly Buffer[]): Looked => {
      return { leaf: makeLeaf(), anchors: [makeCertificate({ subject: 'root', signer: ROOT.signer, extensions })] };
    };
    const CODE = extendedKeyUsage(EKU.codeSigning);

    it.each<[string, Looked]>([
      ['a leaf for code signing, and for more', leafWith(extendedKeyUsage(EKU.timeStamping, EKU.codeSigning))],
      ['a leaf without key usage', leafWith(CODE)],
      ['an intermediate for code signing', subWith(...AUTHORITY, CODE)],
      ['an intermediate for any use', subWith(...AUTHORITY, extendedKeyUsage(EKU.any))],
      ['an intermediate without key usage', subWith(authority())],
      ['a root that allows one further authority', rootWith(authority(1))],
      ['an intermediate that allows none', subWith(authority(0))],
    ])('%s is accepted', (_, looked) => {
      expect(look(looked)).toEqual(['leaf', 'sub', 'root']);
    });

    it.each<[string, Looked, string]>([
      ['a leaf without extended key usage', leafWith(keyUsage(0)), 'is not for code signing'],
      ['a leaf for any use', leafWith(extendedKeyUsage(EKU.any)), 'is not for code signing'],
      ['a leaf for timestamps', leafWith(extendedKeyUsage(EKU.timeStamping)), 'is not for code signing'],
      ['a leaf that is not for signatures', leafWith(keyUsage(2), CODE), 'is not for digital signatures'],
      ['a leaf that is an authority', leafWith(authority(), keyUsage(0, 5), CODE), 'is that of an authority'],
      ['an intermediate that is none', subWith(keyUsage(5)), 'may not issue certificates'],
      ['an intermediate that may only sign', subWith(authority(), keyUsage(0)), 'may not issue certificates'],
      [
        'an intermediate for timestamps',
        subWith(...AUTHORITY, extendedKeyUsage(EKU.timeStamping)),
        'is not for code signing',
      ],
      ['a root for timestamps', rootWith(...AUTHORITY, extendedKeyUsage(EKU.timeStamping)), 'is not for code signing'],
      [
        'a root that allows no further authority',
        rootWith(authority(0)),
        'allows 0 further authorities, and there are 1',
      ],
    ])('%s is refused', (_, looked, text) => {
      expect(look(looked)).toMatch(/^use: /);
      expect(look(looked)).toContain(text);
    });
  });

  describe('name constraints', () => {
    /** What the leaf is called → what its authority may certify. */
    const constrained = (leafNames: readonly Buffer[], constraints: Constraints): readonly string[] | string => {
      const sub = makeSub({ extensions: [...AUTHORITY, nameConstraints(constraints)] });
      const extensions = [...LEAF_USES, names(...leafNames)];
      return look({ leaf: makeLeaf({ issuer: sub, extensions }), intermediates: [sub] });
    };
    const mask = [255, 255, 0, 0];

    it.each<[string, Buffer, Buffer]>([
      ['a mailbox', email('a@b.example'), email('a@B.example')],
      ['the host of a mailbox', email('b.example'), email('a@b.example')],
      ['the domain of a mailbox', email('.example'), email('a@b.example')],
      ['a domain', dns('b.example'), dns('b.example')],
      ['a domain with a dot in front', dns('.b.example'), dns('A.B.example')],
      ['a wildcard in a domain with a dot in front', dns('.b.example'), dns('*.b.example')],
      ['the domain of a wildcard', dns('b.example'), dns('*.b.example')],
      ['the host of a URI', uri('b.example'), uri('https://user@B.example:443/x@y')],
      ['the domain of a URI', uri('.example'), uri('https://b.example')],
      ['a network', ip(10, 1, 0, 0, ...mask), ip(10, 1, 2, 3)],
    ])('%s is what was permitted, and what was excluded', (_, base, name) => {
      expect(constrained([name], { permitted: [base] })).toHaveLength(3);
      expect(constrained([name], { excluded: [base] })).toContain('may not certify this name');
    });

    it.each<[string, Buffer, Buffer]>([
      ['another mailbox', email('a@b.example'), email('A@b.example')],
      ['another host of a mailbox', email('b.example'), email('a@x.b.example')],
      ['the domain itself as a host', email('.b.example'), email('a@b.example')],
      ['another domain', dns('b.example'), dns('xb.example')],
      ['a domain above', dns('a.b.example'), dns('b.example')],
      ['another host of a URI', uri('b.example'), uri('https://a.b.example/b.example')],
      ['another network', ip(10, 1, 0, 0, ...mask), ip(10, 2, 2, 3)],
      ['an address of the other kind', ip(10, 1, 0, 0, ...mask), ip(...Array(16).fill(10))],
    ])('%s is neither', (_, base, name) => {
      expect(constrained([name], { permitted: [base] })).toContain('may not certify this name');
      expect(constrained([name], { excluded: [base] })).toHaveLength(3);
    });

    it.each<[string, Buffer, Buffer]>([
      ['a mailbox without host', email('b.example'), email('a')],
      ['a mailbox with two @', email('b.example'), email('a@x@b.example')],
      ['a URI with an address', uri('b.example'), uri('https://10.0.0.1/')],
      ['a URI with an address of IPv6', uri('b.example'), uri('https://[::1]/')],
      ['a URI without a host', uri('b.example'), uri('urn:b.example')],
      ['a URI with two @', uri('b.example'), uri('https://x@y.example@b.example/')],
      ['a URI with a backslash', uri('b.example'), uri('https://b.example\\@x')],
      ['an address of three bytes', ip(10, 1, 0, 0, ...mask), ip(10, 1, 2)],
      ['a network of three bytes', ip(10, 1, 0), ip(10, 1, 0, 0)],
    ])('%s cannot be compared, and is not certified', (_, base, name) => {
      expect(constrained([name], { permitted: [base] })).toContain('may not certify this name');
      expect(constrained([name], { excluded: [base] })).toContain('may not certify this name');
    });

    it('a domain with a dot in front is excluded as a whole, and permitted below it only', () => {
      expect(constrained([dns('b.example')], { permitted: [dns('.b.example')] })).toContain(
        'may not certify this name',
      );
      expect(constrained([dns('b.example')], { excluded: [dns('.b.example')] })).toContain('may not certify this name');
      expect(constrained([dns('xb.example')], { permitted: [dns('.b.example')] })).toContain('may not certify');
    });

    it('CVE-2025-61727: a wildcard stands for names that are excluded', () => {
      expect(constrained([dns('*.b.example')], { excluded: [dns('secret.b.example')] })).toContain('may not certify');
      expect(constrained([dns('*.b.example')], { excluded: [dns('secret.c.example')] })).toHaveLength(3);
    });

    it('do not speak of names of another kind, and have to be of a kind that is known', () => {
      expect(constrained([otherName('user')], { permitted: [dns('b.example')] })).toHaveLength(3);
      expect(constrained([uri('https://x')], { permitted: [dns('b.example')] })).toHaveLength(3);
      const directory = der(0xa4, der(0x30));
      expect(constrained([uri('https://x')], { permitted: [directory] })).toContain('name constraints of another kind');
      expect(constrained([uri('https://x')], { excluded: [directory] })).toContain('name constraints of another kind');
    });

    it('hold for every name, and for authorities below', () => {
      const permitted = [email('b.example')];
      expect(constrained([email('a@b.example'), email('a@c.example')], { permitted })).toContain('may not certify');
      const root = makeCertificate({
        subject: 'root',
        signer: ROOT.signer,
        extensions: [...AUTHORITY, nameConstraints({ permitted })],
      });
      const sub = makeSub({ extensions: [...AUTHORITY, names(email('a@c.example'))] });
      const leaf = makeLeaf({ issuer: sub, extensions: [...LEAF_USES, names(email('a@b.example'))] });
      expect(look({ leaf, intermediates: [sub], anchors: [root] })).toContain('may not certify');
    });
  });

  it('ends soon where every certificate might have issued every other one', () => {
    const extensions = AUTHORITY;
    const [first, ...others] = Array.from({ length: 12 }, () => makeCertificate({ subject: 'x', extensions }));
    if (first === undefined) throw new Error('no certificate');
    const crossed = others.map((each) =>
      makeCertificate({ subject: 'x', issuer: { ...first, subject: each.subject } }),
    );
    const leaf = makeLeaf({ issuer: { ...first } });
    expect(look({ leaf, intermediates: [...crossed, first, ...others], anchors: [] })).toContain('path: ');
  });
});

describe('matchHostname', () => {
  it.each<[string, string, boolean]>([
    ['ci.example', 'ci.example', true],
    ['CI.example', 'ci.EXAMPLE.', true],
    ['*.example', 'ci.example', true],
    ['*.example', 'a.ci.example', false],
    ['*.example', 'example', false],
    ['*', 'example', false],
    ['c*.example', 'ci.example', false],
    ['ci.*', 'ci.example', false],
    ['ci.example', '*.example', false],
    ['*.example', '*.example', false],
    ['ci.example.', 'ci.example', false],
    ['', '', false],
    ['ci..example', 'ci..example', false],
    ['10.0.0.1', '10.0.0.1', false],
    ['*.0.0.1', '10.0.0.1.', false],
  ])('%s stands for %s: %s', (name, host, expected) => {
    expect(matchHostname(name, host)).toBe(expected);
  });
});
