import { describe, expect, it } from 'vitest';
import { type Certificate, readCertificate } from '../../../../src/signature/certificates/index.ts';
import {
  AUTHORITY,
  type CertificateOptions,
  dns,
  EKU,
  email,
  extendedKeyUsage,
  extension,
  ip,
  keyUsage,
  makeCertificate,
  nameConstraints,
  names,
  otherName,
  uri,
} from '../../../support/signatures/certificate-builder.ts';
import { der, integer, octets, oid, sequence, utf8 } from '../../../support/signatures/der-builder.ts';
import { makeSigner } from '../../../support/signatures/sigstore-builder.ts';
import { publicKey } from '../../../support/signatures/sigstore-signatures.ts';

const refuse = (what: string): never => {
  throw new Error(what);
};
const read = (raw: Uint8Array): Certificate => readCertificate(raw, { maxDepth: 32 }, refuse);
const decodePem = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----|\n/g, ''), 'base64');

/** One key for all, since making keys is slow. */
const SIGNER = makeSigner();
const make = (options: CertificateOptions): Certificate => read(makeCertificate({ signer: SIGNER, ...options }).raw);
const withExtensions = (...extensions: readonly Buffer[]): Certificate => make({ extensions });
/** Exchanges one member of what is signed: version, serial, algorithm, issuer, validity, subject, key, extensions. */
const withMember = (position: number, ...members: readonly Buffer[]): Certificate =>
  make({ change: (all) => all.flatMap((member, index) => (index === position ? members : [member])) });

describe('readCertificate', () => {
  it('reads what a certificate says', () => {
    const certificate = make({
      subject: 'leaf',
      notBefore: new Date('2026-01-02T03:04:05Z'),
      notAfter: new Date('2049-12-31T23:59:59Z'),
      extensions: [
        keyUsage(0),
        extendedKeyUsage(EKU.codeSigning, EKU.timeStamping),
        names(email('a@b.c'), uri('https://x/y,z'), dns('*.b.c'), ip(127, 0, 0, 1), otherName('user')),
      ],
    });
    expect(certificate).toMatchObject({
      subjectText: 'leaf',
      algorithm: '1.2.840.10045.4.3.2',
      isAuthority: false,
      keyUsage: new Set([0]),
      extendedKeyUsage: new Set([EKU.codeSigning, EKU.timeStamping]),
      names: [
        { kind: 'email', text: 'a@b.c' },
        { kind: 'uri', text: 'https://x/y,z' },
        { kind: 'dns', text: '*.b.c' },
        { kind: 'ip', address: Buffer.from([127, 0, 0, 1]) },
        { kind: 'other', tag: 0xa0 },
      ],
    });
    expect(certificate.notBefore.toISOString()).toBe('2026-01-02T03:04:05.000Z');
    expect(certificate.notAfter.toISOString()).toBe('2049-12-31T23:59:59.000Z');
    expect(Buffer.from(certificate.key.rawSpki).equals(SIGNER.rawSpki)).toBe(true);
  });

  it.each(['fulcio', 'pki-root', 'pki-sub'])('reads the authority %s of the recorded images', (name) => {
    const certificate = read(decodePem(publicKey(name)));
    expect(certificate.isAuthority).toBe(true);
    expect(certificate.keyUsage?.has(5)).toBe(true);
  });

  it('CVE-2021-44531, -44532 and -44533: one name with a comma is one name', () => {
    const text = 'https://good.example, URI:https://evil.example';
    expect(withExtensions(names(uri(text))).names).toEqual([{ kind: 'uri', text }]);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['bytes behind it', () => read(Buffer.concat([makeCertificate().raw, Buffer.from([0])])), /DER/],
    ['another one behind it', () => read(Buffer.concat([makeCertificate().raw, makeCertificate().raw])), /DER/],
    ['its end cut off', () => read(makeCertificate().raw.subarray(0, -1)), /ends early/],
    ['an empty sequence', () => read(sequence()), /DER/],
    ['a public key', () => read(SIGNER.rawSpki), /DER/],
    ['no version', () => withMember(0), /version 3/],
    ['version 1', () => withMember(0, der(0xa0, integer(0))), /version 3/],
    ['version 2', () => withMember(0, der(0xa0, integer(1))), /version 3/],
    ['no serial number', () => withMember(1), /DER/],
    ['two algorithms', () => withMember(2, sequence(oid('1.2.840.10045.4.3.3'))), /two algorithms/],
    [
      'an algorithm with parameters that are not signed',
      () => withMember(2, sequence(oid('1.2.840.10045.4.3.2'), der(5))),
      /two/,
    ],
    ['no time', () => withMember(4, sequence()), /DER/],
    [
      'three times',
      () => withMember(4, sequence(...Array(3).fill(der(0x17, Buffer.from('260101000000Z'))))),
      /no further/,
    ],
    ['a subject that is a text', () => withMember(5, utf8('x')), /DER/],
    ['an issuer that is a text', () => withMember(3, utf8('x')), /DER/],
    ['a key twice', () => withMember(6, SIGNER.rawSpki, SIGNER.rawSpki), /no further/],
    ['a unique identifier', () => withMember(6, SIGNER.rawSpki, der(0x81, Buffer.from([0, 1]))), /no further/],
    ['extensions twice', () => withMember(7, der(0xa3, sequence()), der(0xa3, sequence())), /no further/],
    ['two lists of extensions', () => withMember(7, der(0xa3, sequence(), sequence())), /no further/],
    ['a key that is none', () => withMember(6, sequence(sequence(oid('1.2.3')))), /its key: expected a public key/],
    ['RSA of 1024 bits', () => make({ signer: makeSigner('RSA-1024'), algorithm: 'rsa-sha256' }), /RSA of 1024 bits/],
    ['a key on another curve', () => make({ signer: makeSigner('secp256k1') }), /secp256k1/],
  ])('refuses a certificate with %s', (_, attempt, text) => {
    expect(attempt).toThrow(text);
  });

  it.each<[string, readonly Buffer[], RegExp]>([
    ['an extension twice', [keyUsage(0), keyUsage(0)], /the extension 2.5.29.15 twice/],
    ['an unknown extension twice', [extension('1.2.3', octets()), extension('1.2.3', octets())], /1.2.3 twice/],
    ['a critical extension that is not known', [extension('1.2.3', octets(), true)], /critical extension.*1\.2\.3/],
    ['the mark of a precertificate', [extension('1.3.6.1.4.1.11129.2.4.3', der(5), true)], /critical extension/],
    ['policy constraints', [extension('2.5.29.36', sequence(), true)], /critical extension/],
    ['a default that is written', [sequence(oid('1.2.3'), der(1, Buffer.from([0])), octets())], /no default/],
    ['an extension of four members', [sequence(oid('1.2.3'), octets(), octets())], /no further/],
    ['an extension without value', [sequence(oid('1.2.3'))], /a further member/],
    ['key usage that is a text', [extension('2.5.29.15', utf8('x'))], /extension 2.5.29.15: .*DER/],
    ['no extended key usage', [extendedKeyUsage()], /at least one/],
    ['no name', [names()], /at least one/],
    ['a name that is a text', [names(utf8('x'))], /expected a name/],
    ['a name with a control character', [names(uri('https://x\0'))], /ASCII/],
    ['a name that is no ASCII', [names(email('é@x'))], /ASCII/],
    ['bytes behind its names', [extension('2.5.29.17', Buffer.concat([sequence(dns('x')), Buffer.from([0])]))], /DER/],
    ['basic constraints with a default', [extension('2.5.29.19', sequence(der(1, Buffer.from([0]))))], /no default/],
    ['a path length without authority', [extension('2.5.29.19', sequence(integer(1)))], /no path length/],
    ['a negative path length', [extension('2.5.29.19', sequence(der(1, Buffer.from([255])), integer(255)))], /small/],
    ['no name constraints', [nameConstraints({})], /at least one constraint/],
    [
      'name constraints with a minimum',
      [extension('2.5.29.30', sequence(der(0xa0, sequence(dns('x'), der(0x80, Buffer.from([1]))))))],
      /no further/,
    ],
  ])('refuses a certificate with %s', (_, extensions, text) => {
    expect(() => withExtensions(...extensions)).toThrow(text);
  });

  it('accepts critical policies, and unknown extensions that are not critical', () => {
    const policies = extension('2.5.29.32', sequence(sequence(oid('2.5.29.32.0'))), true);
    expect(withExtensions(policies, extension('1.2.3', Buffer.from('no DER'))).isAuthority).toBe(false);
    expect(withExtensions(...AUTHORITY).isAuthority).toBe(true);
  });
});
