import { Readable } from 'node:stream';
import { hashBytes } from '../../src/oci/index.ts';
import type { RegistryPusher } from '../../test/support/registries/registry-pusher.ts';
import {
  type Artifact,
  artifactBytes,
  BUNDLE_TYPE,
  CONFIG_TYPE,
  entryOf,
  INDEX_TYPE,
  listBytes,
  MANIFEST_TYPE,
} from '../../test/support/signatures/attachment-world.ts';
import type { TestCertificate } from '../../test/support/signatures/certificate-builder.ts';
import {
  CT_LOG,
  IDENTITY,
  INTERMEDIATE,
  makeLeaf,
  makeOwnLeaf,
  ROOT,
  SUBJECT,
  withMaterial,
} from '../../test/support/signatures/certificate-cases.ts';
import { type GpgHome, signaturePayload } from '../../test/support/signatures/gpg-home.ts';
import type { SignatureServer } from '../../test/support/signatures/signature-server.ts';
import {
  bundleAttachment,
  bundleJson,
  envelopeJson,
  envelopeRecord,
  type Json,
  makeSigner,
  payloadFor,
  signPayload,
  signStatement,
  statementFor,
} from '../../test/support/signatures/sigstore-builder.ts';
import { LOG } from '../../test/support/signatures/sigstore-cases.ts';
import type { Attachment } from '../../test/support/signatures/sigstore-signatures.ts';
import { trustedRootJson } from '../../test/support/sigstore/trusted-root.ts';

/** An image in the registry of the bench. */
export interface PublishedImage {
  readonly pusher: RegistryPusher;
  /** Without host and tag. */
  readonly repository: string;
  /** With host and tag. */
  readonly reference: string;
  readonly digest: string;
}

/** One way to sign images, and the requirement of a policy that accepts images which are signed in this way. */
export interface SigningMethod {
  /** Part of the names of the repositories. */
  readonly key: string;
  readonly title: string;
  readonly requirement: object;
  sign(image: PublishedImage): Promise<void>;
}

export const UNSIGNED: SigningMethod = {
  key: 'unsigned',
  title: 'no signature required',
  requirement: { type: 'insecureAcceptAnything' },
  sign: async () => undefined,
};

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64');
const repositoryOf = ({ reference }: PublishedImage): string => reference.slice(0, reference.lastIndexOf(':'));

/** Returns each kind of signature that the bench measures. The keys of OpenPGP are made in `gpg`. */
export async function makeSigningMethods(gpg: GpgHome, server: SignatureServer): Promise<readonly SigningMethod[]> {
  return [
    await signedBy('rsa3072', { gpg, server }),
    await signedBy('ed25519', { gpg, server }),
    payloadByKey(),
    bundleByKey(),
    bundleByFulcio(),
    payloadByPki(),
  ];
}

interface Lookaside {
  readonly gpg: GpgHome;
  readonly server: SignatureServer;
}

async function signedBy(algorithm: string, { gpg, server }: Lookaside): Promise<SigningMethod> {
  await gpg.makeKey(algorithm, { algorithm });
  const keyData = base64(await gpg.exportKeys(algorithm));
  return {
    key: algorithm,
    title: `signedBy, ${algorithm}, from a web server`,
    requirement: { type: 'signedBy', keyType: 'GPGKeys', keyData },
    sign: async ({ repository, reference, digest }) => {
      const path = `/${repository}@${digest.replace(':', '=')}/signature-1`;
      server.files.set(path, await gpg.sign(algorithm, signaturePayload(reference, digest)));
    },
  };
}

function payloadByKey(): SigningMethod {
  const signer = makeSigner();
  return {
    key: 'payload',
    title: 'sigstoreSigned, key, under the tag .sig',
    requirement: { ...byKey(signer.publicKey), signedIdentity: { type: 'matchRepository' } },
    sign: (image) => attachUnderTag(image, signPayload(signer, payloadFor(image.digest, repositoryOf(image)))),
  };
}

function payloadByPki(): SigningMethod {
  const certificate = makeOwnLeaf();
  const certified = {
    'dev.sigstore.cosign/certificate': certificate.pem,
    'dev.sigstore.cosign/chain': INTERMEDIATE.pem,
  };
  return {
    key: 'pki',
    title: 'sigstoreSigned, pki, under the tag .sig',
    requirement: {
      type: 'sigstoreSigned',
      pki: { caRootsData: base64(ROOT.pem), ...SUBJECT },
      signedIdentity: { type: 'matchRepository' },
    },
    sign: (image) =>
      attachUnderTag(image, signPayload(certificate.signer, payloadFor(image.digest, repositoryOf(image)), certified)),
  };
}

function bundleByKey(): SigningMethod {
  const signer = makeSigner();
  return {
    key: 'bundle',
    title: 'sigstoreSigned, key, bundle',
    requirement: { ...byKey(signer.publicKey), signedIdentity: { type: 'digestOnly' } },
    sign: (image) => {
      const dsseEnvelope = envelopeJson(signStatement(signer, statementFor(image.digest)));
      return attachBundles(image, [bundleAttachment(bundleJson({ dsseEnvelope }))]);
    },
  };
}

function bundleByFulcio(): SigningMethod {
  const { oidcIssuer, subjectURI = '' } = IDENTITY;
  const certificate = makeLeaf({ scts: [{ log: CT_LOG }] });
  return {
    key: 'keyless',
    title: 'sigstoreSigned, fulcio with trusted root, bundle',
    requirement: byFulcio({ oidcIssuer, subjectURI }),
    sign: (image) => attachBundles(image, [keylessBundle(certificate, statementFor(image.digest))]),
  };
}

function byKey(pem: string) {
  return { type: 'sigstoreSigned', keyData: base64(pem) };
}

function byFulcio(fulcio: object): object {
  const root = trustedRootJson({ authorities: [[INTERMEDIATE.raw, ROOT.raw]], ctLogs: [CT_LOG], logs: [LOG] });
  return {
    type: 'sigstoreSigned',
    fulcio,
    trustedRootData: JSON.stringify(root),
    signedIdentity: { type: 'digestOnly' },
  };
}

/** A bundle whose entries in the log are leaves of a tree of `treeSize`; all of them have been promised, too. */
function keylessBundle(certificate: TestCertificate, statement: Json, { entries = 1, treeSize = 1 } = {}): Attachment {
  const { signer, raw, pem } = certificate;
  const envelope = signStatement(signer, statement);
  const { signature, payload: content } = envelope;
  const record = envelopeRecord({ signature, content, signer: { ...signer, publicKey: pem } });
  const body = base64(JSON.stringify(record));
  const tlogEntries = Array.from({ length: entries }, (_, leaf) => ({
    ...LOG.entry(record, { leaf, treeSize }),
    logIndex: String(leaf),
    inclusionPromise: { signedEntryTimestamp: LOG.promise(body, { logIndex: leaf }) },
  }));
  const bundle = bundleJson({ dsseEnvelope: envelopeJson(envelope) });
  return bundleAttachment(withMaterial(bundle, { certificate: { rawBytes: base64(raw) }, tlogEntries }));
}

export const HOSTILE_BUNDLES = 50;
const MAX_SUBJECTS = 1024;
const MAX_ENTRIES = 32;
const TREE_SIZE = 64;

/**
 * Bundles that pass every check but the last and need as much work as the limits allow: certified by the right
 * authority, seen by the right log many times, with many subjects, and by another author than the policy wants.
 */
export function makeHostileMethod(): SigningMethod {
  const { oidcIssuer } = IDENTITY;
  const certificate = makeLeaf({ scts: [{ log: CT_LOG }] });
  return {
    key: 'hostile',
    title: 'hostile bundles',
    requirement: byFulcio({ oidcIssuer, subjectURI: 'https://github.com/acme/app/other' }),
    sign: (image) => {
      const bundles = Array.from({ length: HOSTILE_BUNDLES }, (_, number) => {
        const { subject, ...statement } = statementFor(image.digest);
        const others = Array.from({ length: MAX_SUBJECTS - 1 }, (_, position) => ({
          name: `subject-${number}-${position}`,
          digest: { sha256: hashBytes(Buffer.from(`${number} ${position}`)).slice('sha256:'.length) },
        }));
        const own = Array.isArray(subject) ? subject : [];
        const log = { entries: MAX_ENTRIES, treeSize: TREE_SIZE };
        return keylessBundle(certificate, { ...statement, subject: [...own, ...others] }, log);
      });
      return attachBundles(image, bundles);
    },
  };
}

/** Attaches a signature as cosign did before version 3. */
async function attachUnderTag({ pusher, digest }: PublishedImage, attachment: Attachment): Promise<void> {
  await pushArtifact(pusher, { layers: [layerOf(attachment)], configType: CONFIG_TYPE }, sigTag(digest));
}

const sigTag = (digest: string): string => `${digest.replace(':', '-')}.sig`;

/** Attaches bundles as cosign 3 does, in the list under a tag, because the registry of the bench has no referrers. */
async function attachBundles({ pusher, digest }: PublishedImage, bundles: readonly Attachment[]): Promise<void> {
  const entries: object[] = [];
  for (const bundle of bundles) {
    const bytes = await pushArtifact(pusher, {
      layers: [layerOf(bundle)],
      artifactType: BUNDLE_TYPE,
      subject: digest,
    });
    entries.push(entryOf(bytes, BUNDLE_TYPE));
  }
  const list = { bytes: listBytes(entries), mediaType: INDEX_TYPE };
  await pusher.pushManifest(digest.replace(':', '-'), list);
}

const layerOf = ({ content, ...layer }: Attachment) => ({ ...layer, bytes: Buffer.from(content) });

/** Pushes an artifact with its layers under a tag, or under its digest, and returns the bytes of its manifest. */
async function pushArtifact(pusher: RegistryPusher, artifact: Artifact, tag?: string): Promise<Buffer> {
  for (const blob of [Buffer.from('{}'), ...artifact.layers.map((layer) => layer.bytes)]) {
    await pusher.pushBlob(hashBytes(blob), blob.length, () => Readable.from([blob]));
  }
  const bytes = artifactBytes(artifact);
  await pusher.pushManifest(tag ?? hashBytes(bytes), { bytes, mediaType: MANIFEST_TYPE });
  return bytes;
}
