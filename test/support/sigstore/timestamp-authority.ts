import { createHash } from 'node:crypto';
import {
  type CertificateOptions,
  EKU,
  extension,
  keyUsage,
  makeCertificate,
  type TestCertificate,
} from '../signatures/certificate-builder.ts';
import { der, integer, octets, oid, sequence } from '../signatures/der-builder.ts';
import { signBytes, type TestSigner } from '../signatures/sigstore-builder.ts';

const OID = {
  signedData: '1.2.840.113549.1.7.2',
  tstInfo: '1.2.840.113549.1.9.16.1.4',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
} as const;

const HASHES: Readonly<Record<string, string>> = {
  md5: '1.2.840.113549.2.5',
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};
const SIGNATURES: Readonly<Record<string, string>> = {
  'ec sha1': '1.2.840.10045.4.1',
  'ec sha256': '1.2.840.10045.4.3.2',
  'ec sha384': '1.2.840.10045.4.3.3',
  'ec sha512': '1.2.840.10045.4.3.4',
  'rsa sha256': '1.2.840.113549.1.1.11',
  'rsa sha512': '1.2.840.113549.1.1.13',
  'ed25519 null': '1.3.101.112',
};

const set = (...members: readonly Uint8Array[]): Buffer => der(0x31, ...members);
const tagged = (number: number, ...members: readonly Uint8Array[]): Buffer => der(0xa0 | number, ...members);
const hashOf = (hash: string, bytes: Uint8Array): Buffer => createHash(hash).update(bytes).digest();

/** An AlgorithmIdentifier by the name of a hash, or by an object identifier. */
export const algorithm = (name: string): Buffer => sequence(oid(HASHES[name] ?? name), der(0x05));

export const attribute = (type: string, ...values: readonly Uint8Array[]): Buffer =>
  sequence(oid(type), set(...values));

/** With a fraction of a second only if there is one, and without zeros at its end. */
export function generalizedTime(date: Date): Buffer {
  const seconds = date.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '');
  const fraction = String(date.getUTCMilliseconds()).padStart(3, '0').replace(/0+$/, '');
  return der(0x18, Buffer.from(`${seconds}${fraction === '' ? '' : `.${fraction}`}Z`));
}

export const STAMPED_AT = new Date('2026-09-21T14:13:21.500Z');

/** What a timestamp says; each member replaces what the authority would write. Texts are names of hashes. */
export interface StampOptions {
  readonly at?: Date;
  readonly status?: number;
  /** True: the answer has no token. */
  readonly isEmpty?: boolean;
  // The content.
  readonly hash?: string;
  readonly imprint?: Buffer;
  readonly infoVersion?: number;
  readonly genTime?: Buffer;
  /** What follows the time: accuracy, ordering, nonce, name of the authority, extensions. */
  readonly infoRest?: readonly Buffer[];
  readonly contentType?: string;
  // The signer.
  readonly digestHash?: string;
  readonly messageDigest?: Buffer;
  readonly signerId?: Buffer;
  readonly signer?: TestSigner;
  readonly signatureAlgorithm?: Buffer;
  readonly changeSignature?: (signature: Buffer) => Buffer;
  /** The certificate whose hash is signed, and whether it is SHA-1, as in the first version of the attribute. */
  readonly hashed?: Uint8Array;
  readonly isFirstVersion?: boolean;
  readonly changeAttributes?: (attributes: readonly Buffer[]) => readonly Buffer[];
  // The token.
  readonly certificates?: readonly Uint8Array[];
  readonly signerInfos?: (own: Buffer) => readonly Buffer[];
}

/** The other certificates of the tests have another one. */
const SERIAL = integer(7);
const NONE = Buffer.alloc(0);

const LEAF_EXTENSIONS: readonly Buffer[] = [keyUsage(0), extension('2.5.29.37', sequence(oid(EKU.timeStamping)), true)];

/** An authority that makes timestamps of RFC 3161: a signing certificate, and the root that issued it. */
export class TestTimestampAuthority {
  readonly root: TestCertificate;
  readonly leaf: TestCertificate;

  constructor(leaf: CertificateOptions = {}, root: TestCertificate = makeCertificate({ subject: 'tsa root' })) {
    this.root = root;
    const change = ([version = NONE, , ...others]: readonly Buffer[]) => [version, SERIAL, ...others];
    this.leaf = makeCertificate({ subject: 'tsa', issuer: root, extensions: LEAF_EXTENSIONS, change, ...leaf });
  }

  /** What signs first, and the root last, in DER. */
  get chain(): readonly Buffer[] {
    return [this.leaf.raw, this.root.raw];
  }

  /** A TimeStampResp for these bytes. https://www.rfc-editor.org/rfc/rfc3161#section-2.4.2 */
  stamp(message: Uint8Array, options: StampOptions = {}): Buffer {
    const status = sequence(integer(options.status ?? 0));
    return sequence(status, ...(options.isEmpty === true ? [] : [this.#token(message, options)]));
  }

  /** A SignedData of CMS. */
  #token(message: Uint8Array, options: StampOptions): Buffer {
    const { contentType = OID.tstInfo, digestHash = 'sha256', certificates = [] } = options;
    const info = stampInfo(message, options);
    const own = this.#signerInfo(info, options);
    const signedData = sequence(
      integer(3),
      set(algorithm(digestHash)),
      sequence(oid(contentType), tagged(0, octets(info))),
      ...(certificates.length === 0 ? [] : [tagged(0, ...certificates)]),
      set(...(options.signerInfos?.(own) ?? [own])),
    );
    return sequence(oid(OID.signedData), tagged(0, signedData));
  }

  #signerInfo(info: Buffer, options: StampOptions): Buffer {
    const { signer = this.leaf.signer, digestHash = 'sha256', hashed = this.leaf.raw } = options;
    const { contentType = OID.tstInfo, messageDigest = hashOf(digestHash, info) } = options;
    const certificateHash =
      options.isFirstVersion === true
        ? attribute(OID.signingCertificate, sequence(sequence(sequence(octets(hashOf('sha1', hashed))))))
        : attribute(OID.signingCertificateV2, sequence(sequence(sequence(octets(hashOf('sha256', hashed))))));
    const attributes = [
      attribute(OID.contentType, oid(contentType)),
      attribute(OID.messageDigest, octets(messageDigest)),
      certificateHash,
    ];
    const signed = [...(options.changeAttributes?.(attributes) ?? attributes)].sort(Buffer.compare);
    const signature = signBytes(signer, set(...signed));
    return sequence(
      integer(1),
      options.signerId ?? sequence(this.root.subject, SERIAL),
      algorithm(digestHash),
      tagged(0, ...signed),
      options.signatureAlgorithm ?? signatureAlgorithm(signer),
      octets(options.changeSignature?.(signature) ?? signature),
    );
  }
}

function signatureAlgorithm({ privateKey, hash }: TestSigner): Buffer {
  return sequence(oid(SIGNATURES[`${privateKey.asymmetricKeyType} ${hash}`] ?? ''));
}

function stampInfo(message: Uint8Array, options: StampOptions): Buffer {
  const { at = STAMPED_AT, hash = 'sha256', imprint = hashOf(hash, message), infoVersion = 1 } = options;
  return sequence(
    integer(infoVersion),
    oid('1.3.6.1.4.1.57264.2'),
    sequence(algorithm(hash), octets(imprint)),
    integer(0x12, 0x34),
    options.genTime ?? generalizedTime(at),
    ...(options.infoRest ?? [sequence(integer(1)), integer(0x77)]),
  );
}
