import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  type Certificate,
  type CertificateLog,
  openPublicKey,
  readCertificate,
  requireSct,
} from '../../../../src/signature/certificates/index.ts';
import {
  extension,
  NOT_BEFORE,
  type SctOptions,
  sctExtension,
  type TestCertificate,
} from '../../../support/signatures/certificate-builder.ts';
import { CLAIMS, CT_LOG, INTERMEDIATE, LEAF_USES, makeLeaf } from '../../../support/signatures/certificate-cases.ts';
import { utf8 } from '../../../support/signatures/der-builder.ts';
import { makeSigner, type TestSigner } from '../../../support/signatures/sigstore-builder.ts';
import { attachmentOf, publicKey, signedImage } from '../../../support/signatures/sigstore-signatures.ts';

const refuse = (what: string): never => {
  throw new Error(what);
};
const BOUND = { maxDepth: 32 };
const read = (raw: Uint8Array): Certificate => readCertificate(raw, BOUND, refuse);

type Window = CertificateLog['validFor'];
const ALWAYS: Window = { start: undefined, end: undefined };

function logOf({ rawSpki }: Pick<TestSigner, 'rawSpki'>, validFor = ALWAYS): CertificateLog {
  const logIds = [createHash('sha256').update(rawSpki).digest()];
  return { key: openPublicKey('ct', rawSpki, refuse), logIds, validFor };
}

const OTHER_LOG = makeSigner();

/** Returns nothing if one of the logs has promised to publish the certificate. */
function judge(leaf: TestCertificate, logs = [logOf(CT_LOG)], issuer = INTERMEDIATE): void {
  requireSct({ certificate: read(leaf.raw), issuer: read(issuer.raw) }, logs, { bound: BOUND, refuse });
}
const withScts = (...scts: readonly SctOptions[]): TestCertificate => makeLeaf({ scts });
/** An SCT of which one byte is another one. */
const flipped = (at: number): TestCertificate =>
  withScts({
    log: CT_LOG,
    change: (sct) => {
      const changed = Buffer.from(sct);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      return changed;
    },
  });

const extensionsOf = (certificate: TestCertificate): readonly Buffer[] =>
  [...read(certificate.raw).extensions]
    .filter(([id]) => id !== '1.3.6.1.4.1.11129.2.4.2')
    .map(([, { raw }]) => Buffer.from(raw));

describe('the promise of a log to publish a certificate', () => {
  it('is accepted from a log that is trusted', () => {
    judge(withScts({ log: CT_LOG }));
    judge(withScts({ log: CT_LOG }), [logOf(OTHER_LOG), logOf(CT_LOG)]);
    judge(withScts({ log: OTHER_LOG }, { log: CT_LOG }));
    judge(withScts({ log: CT_LOG }, { log: CT_LOG, at: new Date() }));
  });

  it('is verified in the images that cosign 3.1.3 signed', () => {
    const bundle = JSON.parse(attachmentOf(signedImage('bundle-keyless')).content);
    const leaf = Buffer.from(bundle.verificationMaterial.certificate.rawBytes, 'base64');
    const decode = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----|\n/g, ''), 'base64');
    const issued = { certificate: read(leaf), issuer: read(decode(publicKey('fulcio'))) };
    const log = logOf({ rawSpki: decode(publicKey('ct')) });
    requireSct(issued, [log], { bound: BOUND, refuse });
    expect(() => requireSct(issued, [logOf(CT_LOG)], { bound: BOUND, refuse })).toThrow('of other logs');
  });

  it.each<[string, () => void, string]>([
    ['that is not there', () => judge(makeLeaf()), 'it has no SCT'],
    ['of a log that is not trusted', () => judge(withScts({ log: OTHER_LOG })), 'of other logs'],
    ['where no log is trusted', () => judge(withScts({ log: CT_LOG }), []), 'of other logs'],
    ['for another authority', () => judge(withScts({ log: CT_LOG }), undefined, makeLeaf()), 'is not by the log ct'],
    ['with another version', () => judge(flipped(0)), 'expected version 1'],
    ['with another log', () => judge(flipped(1)), 'of other logs'],
    ['with another time', () => judge(flipped(40)), 'is not by the log ct'],
    ['with another length of its extensions', () => judge(flipped(42)), 'early'],
    ['with another hash', () => judge(flipped(43)), 'is not by the log ct'],
    ['with another algorithm', () => judge(flipped(44)), 'is not by the log ct'],
    ['with another signature', () => judge(flipped(60)), 'is not by the log ct'],
    ['that is cut off', () => judge(withScts({ log: CT_LOG, change: (sct) => sct.subarray(0, -1) })), 'early'],
    [
      'with a byte behind it',
      () => judge(withScts({ log: CT_LOG, change: (sct) => Buffer.concat([sct, Buffer.from([0])]) })),
      'behind',
    ],
    [
      'that is bad beside a good one',
      () => judge(withScts({ log: CT_LOG }, { log: CT_LOG, change: (sct) => sct.fill(1, sct.length - 8) })),
      'is not by',
    ],
  ])('%s is refused', (_, attempt, text) => {
    expect(attempt).toThrow(text);
  });

  it('is refused for a certificate that says something else', () => {
    const promised = withScts({ log: CT_LOG });
    const list = read(promised.raw).extensions.get('1.3.6.1.4.1.11129.2.4.2')?.raw;
    if (list === undefined) throw new Error('there is no SCT');
    const same = makeLeaf({ signer: promised.signer, extensions: [...extensionsOf(promised), Buffer.from(list)] });
    judge(same);
    const other = makeLeaf({ signer: promised.signer, extensions: [...LEAF_USES, ...CLAIMS, Buffer.from(list)] });
    expect(() => judge(other)).toThrow('is not by the log ct');
  });

  it.each([
    ['an empty list', sctExtension([])],
    ['an empty promise', sctExtension([Buffer.alloc(0)])],
  ])('%s is refused', (_, list) => {
    expect(() => judge(makeLeaf({ extensions: [...LEAF_USES, list] }))).toThrow('its SCTs: ');
  });

  it('that is no octet string is refused', () => {
    const list = extension('1.3.6.1.4.1.11129.2.4.2', utf8('x'));
    expect(() => judge(makeLeaf({ extensions: [...LEAF_USES, list] }))).toThrow('in DER');
  });

  it('counts while the trusted root says that the log counts', () => {
    const leaf = withScts({ log: CT_LOG });
    const [before, after] = [-1, 1].map((offset) => new Date(NOT_BEFORE.getTime() + offset));
    const within = (validFor: Window) => () => judge(leaf, [logOf(CT_LOG, validFor)]);
    within({ start: NOT_BEFORE, end: NOT_BEFORE })();
    within({ start: before, end: after })();
    expect(within({ start: after, end: undefined })).toThrow('does not count at the time');
    expect(within({ start: undefined, end: before })).toThrow('does not count at the time');
  });

  it('has a time that a date can hold', () => {
    const change = (sct: Buffer): Buffer => sct.fill(0xff, 33, 41);
    expect(() => judge(withScts({ log: CT_LOG, change }))).toThrow('no time that a date can hold');
  });
});
