import { TestLog } from '../sigstore/transparency-log.ts';
import {
  bundleAttachment,
  bundleJson,
  envelopeJson,
  envelopeRecord,
  hashedRecord,
  type JsonMembers,
  makeSigner,
  payloadFor,
  signPayload,
  signStatement,
  statementFor,
} from './sigstore-builder.ts';
import { type Attachment, digestsOf, type JudgedAttachment, signedImage } from './sigstore-signatures.ts';

/** The image that the signatures of these tests are for: its own, unsigned by cosign’s standards. */
export const IMAGE = 'legacy-p256';
export const DOCUMENT = signedImage(IMAGE).document;
export const REPOSITORY = signedImage(IMAGE).repository;
export const DIGEST: string = digestsOf(DOCUMENT)[0] ?? '';
export const OTHER_DIGEST = `sha256:${'0'.repeat(64)}`;

export const SIGNER = makeSigner();
export const STRANGER = makeSigner();
export const LOG = new TestLog();

/** What judges these attachments: the key of the signer and, if asked for, that of the log. */
export function judged(attachment: Attachment, isLogAsked = false): JudgedAttachment {
  return {
    image: IMAGE,
    attachment,
    keys: [SIGNER.publicKey],
    logKeys: isLogAsked ? [LOG.signer.publicKey] : undefined,
  };
}

export const PAYLOAD = payloadFor(DIGEST, REPOSITORY);
export const STATEMENT = statementFor(DIGEST);

/** A payload with its signature and, in an annotation, a promise of the log. */
export function loggedPayload(change: (record: JsonMembers) => JsonMembers = (record) => record): Attachment {
  const signed = signPayload(SIGNER, PAYLOAD);
  const signature = Buffer.from(signed.annotations['dev.cosignproject.cosign/signature'] ?? '', 'base64');
  const record = hashedRecord({ signature, content: Buffer.from(signed.content), signer: SIGNER });
  const bundle = LOG.annotation(change(record));
  return { ...signed, annotations: { ...signed.annotations, 'dev.sigstore.cosign/bundle': bundle } };
}

/** A bundle with an envelope, and an entry of the log. */
export function loggedBundle(change: (record: JsonMembers) => JsonMembers = (record) => record): JsonMembers {
  const envelope = signStatement(SIGNER, STATEMENT);
  const record = envelopeRecord({ signature: envelope.signature, content: envelope.payload, signer: SIGNER });
  return bundleJson({ dsseEnvelope: envelopeJson(envelope) }, [LOG.entry(change(record))]);
}

export function bundleOf(statement: JsonMembers | Buffer, signer = SIGNER): Attachment {
  return bundleAttachment(bundleJson({ dsseEnvelope: envelopeJson(signStatement(signer, statement)) }));
}
