import type { FulcioIdentity, PkiSubject } from '../../../src/signature/policy/index.ts';
import {
  AUTHORITY,
  type CertificateOptions,
  EKU,
  email,
  extendedKeyUsage,
  extension,
  keyUsage,
  makeCertificate,
  names,
  type TestCertificate,
  uri,
} from './certificate-builder.ts';
import { utf8 } from './der-builder.ts';
import {
  bundleAttachment,
  bundleJson,
  envelopeJson,
  envelopeRecord,
  hashedRecord,
  type JsonMembers,
  signPayload,
  signStatement,
} from './sigstore-builder.ts';
import { IMAGE, LOG, PAYLOAD, STATEMENT } from './sigstore-cases.ts';
import type { Attachment, JudgedAttachment } from './sigstore-signatures.ts';

/** When the log of the tests sees every signature. */
export const LOGGED_AT = new Date('2026-09-21T14:13:20Z');
const MINUTE_MS = 60_000;
/** The few minutes in which a certificate by Fulcio is valid. */
export const SHORT_LIVED = {
  notBefore: new Date(LOGGED_AT.getTime() - MINUTE_MS),
  notAfter: new Date(LOGGED_AT.getTime() + 9 * MINUTE_MS),
};

export const ROOT: TestCertificate = makeCertificate({ subject: 'fulcio root' });
export const INTERMEDIATE: TestCertificate = makeCertificate({
  subject: 'fulcio',
  issuer: ROOT,
  extensions: [...AUTHORITY, extendedKeyUsage(EKU.codeSigning)],
});
export const OTHER_ROOT: TestCertificate = makeCertificate({ subject: 'fulcio root' });
/** The log of certificates. */
export const CT_LOG = makeCertificate().signer;

const ISSUER = 'https://token.actions.githubusercontent.com';
const WORKFLOW = 'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.0';
const CLAIM = '1.3.6.1.4.1.57264.1';

/** A claim of Fulcio, by the last number of its object identifier. */
export const claim = (number: number, text: string): Buffer => extension(`${CLAIM}.${number}`, utf8(text));
/** The issuer as Fulcio wrote it first: as bare text. */
export const oldIssuer = (text: string): Buffer => extension(`${CLAIM}.1`, Buffer.from(text));

export const LEAF_USES: readonly Buffer[] = [keyUsage(0), extendedKeyUsage(EKU.codeSigning)];
export const CLAIMS: readonly Buffer[] = [
  oldIssuer(ISSUER),
  claim(8, ISSUER),
  claim(9, WORKFLOW),
  claim(11, 'github-hosted'),
  claim(12, 'https://github.com/acme/app'),
  claim(14, 'refs/tags/v1.0'),
];

/** What the certificates of these tests say. */
export const IDENTITY: FulcioIdentity = {
  oidcIssuer: ISSUER,
  subjectURI: WORKFLOW,
  buildSignerURI: WORKFLOW,
  sourceRepositoryURI: 'https://github.com/acme/app',
  sourceRepositoryRef: 'refs/tags/v1.0',
  runnerEnvironment: 'github-hosted',
};

export const SUBJECT: PkiSubject = { subjectEmail: 'release@acme.example' };

/** A certificate as Fulcio issues it to a workflow. */
export function makeLeaf(options: CertificateOptions = {}): TestCertificate {
  const extensions = [...LEAF_USES, names(uri(WORKFLOW)), ...CLAIMS];
  return makeCertificate({ subject: '', issuer: INTERMEDIATE, extensions, ...SHORT_LIVED, ...options });
}

/** A certificate of an authority of one's own. */
export function makeOwnLeaf(options: CertificateOptions = {}): TestCertificate {
  const extensions = [...LEAF_USES, names(email('release@acme.example'))];
  return makeCertificate({ subject: 'release', issuer: INTERMEDIATE, extensions, ...options });
}

export interface KeylessOptions {
  /** What the log has recorded instead of the certificate, in PEM. */
  readonly recorded?: string;
  /** What comes beside the certificate; a bundle has it as a chain. */
  readonly chain?: readonly TestCertificate[];
  readonly isLogged?: boolean;
}

/** A bundle that is signed with the key of a certificate. */
export function bundleBy(certificate: TestCertificate, options: KeylessOptions = {}): Attachment {
  const { recorded = certificate.pem, chain = [], isLogged = true } = options;
  const { signer } = certificate;
  const envelope = signStatement(signer, STATEMENT);
  const parts = { signature: envelope.signature, content: envelope.payload };
  const record = envelopeRecord({ ...parts, signer: { ...signer, publicKey: recorded } });
  return bundleAttachment(
    withMaterial(bundleJson({ dsseEnvelope: envelopeJson(envelope) }), {
      ...materialOf([certificate, ...chain]),
      ...(isLogged ? { tlogEntries: [LOG.entry(record)] } : {}),
    }),
  );
}

function materialOf(certificates: readonly TestCertificate[]): JsonMembers {
  const encoded = certificates.map(({ raw }) => ({ rawBytes: raw.toString('base64') }));
  const [only] = encoded;
  return only !== undefined && encoded.length === 1
    ? { certificate: only }
    : { x509CertificateChain: { certificates: encoded } };
}

export function withMaterial(bundle: JsonMembers, verificationMaterial: JsonMembers): JsonMembers {
  return { ...bundle, verificationMaterial };
}

/** A payload of cosign's first format that is signed with the key of a certificate. */
export function payloadBy(certificate: TestCertificate, options: KeylessOptions = {}): Attachment {
  const { recorded = certificate.pem, chain = [], isLogged = true } = options;
  const { signer } = certificate;
  const signed = signPayload(signer, PAYLOAD);
  const signature = Buffer.from(signed.annotations['dev.cosignproject.cosign/signature'] ?? '', 'base64');
  const record = hashedRecord({
    signature,
    content: Buffer.from(signed.content),
    signer: { ...signer, publicKey: recorded },
  });
  return {
    ...signed,
    annotations: {
      ...signed.annotations,
      'dev.sigstore.cosign/certificate': certificate.pem,
      'dev.sigstore.cosign/chain': chain.map(({ pem }) => pem).join(''),
      ...(isLogged ? { 'dev.sigstore.cosign/bundle': LOG.annotation(record) } : {}),
    },
  };
}

export const file = (...certificates: readonly TestCertificate[]) => [
  { name: '/keys/ca', rawBytes: Buffer.from(certificates.map(({ pem }) => pem).join('')) },
];

export interface FulcioOptions {
  readonly ca?: readonly TestCertificate[];
  readonly identity?: FulcioIdentity;
}

/** Judges by a requirement `fulcio`, whose file has root and intermediate. */
export function byFulcio(attachment: Attachment, options: FulcioOptions = {}): JudgedAttachment {
  const { ca = [ROOT, INTERMEDIATE], identity = IDENTITY } = options;
  const author = { kind: 'fulcio', ca: file(...ca), identity } as const;
  return { image: IMAGE, attachment, author, logKeys: [LOG.signer.publicKey] };
}

export interface PkiOptions {
  readonly roots?: readonly TestCertificate[];
  readonly intermediates?: readonly TestCertificate[];
  readonly subject?: PkiSubject;
}

/** Judges by a requirement `pki`, without a log. */
export function byPki(attachment: Attachment, options: PkiOptions = {}): JudgedAttachment {
  const { roots = [ROOT], intermediates = [INTERMEDIATE], subject = SUBJECT } = options;
  const files = intermediates.length === 0 ? [] : file(...intermediates);
  const author = { kind: 'pki', roots: file(...roots), intermediates: files, subject } as const;
  return { image: IMAGE, attachment, author, nowMs: LOGGED_AT.getTime() };
}
