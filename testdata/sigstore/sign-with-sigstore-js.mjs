// Writes sigstore-js.json: bundles by @sigstore/sign, which signs against a Fulcio, both versions of Rekor and a timestamp
// authority that this program serves on loopback. They are made of what the tests are made of; the protocols and the
// bundles are those of @sigstore/sign.
//
//   mkdir /tmp/sign && npm install --prefix /tmp/sign @sigstore/sign@5.1.0
//   node testdata/sigstore/sign-with-sigstore-js.mjs /tmp/sign > sigstore-js.json
import { createHash, createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { CT_LOG, INTERMEDIATE, makeLeaf, ROOT } from '../../test/support/signatures/certificate-cases.ts';
import { STATEMENT } from '../../test/support/signatures/sigstore-cases.ts';
import { TestTimestampAuthority } from '../../test/support/sigstore/timestamp-authority.ts';
import { INTEGRATED_TIME, TestLog } from '../../test/support/sigstore/transparency-log.ts';
import { trustedRootJson } from '../../test/support/sigstore/trusted-root.ts';

const require = createRequire(join(process.argv[2] ?? '.', 'node_modules', 'x'));
const { DSSEBundleBuilder, FulcioSigner, RekorWitness, TSAWitness } = require('@sigstore/sign');
const { bundleToJSON } = require('@sigstore/bundle');

const log = new TestLog('P-256', 'rekor.example');
const secondLog = new TestLog('Ed25519', 'log2.example');
const tsa = new TestTimestampAuthority();

const base64 = (bytes) => Buffer.from(bytes).toString('base64');
const hex = (text) => Buffer.from(text, 'base64').toString('hex');
const sha256 = (bytes) => createHash('sha256').update(bytes).digest();
const json = (status, value) => ({ status, type: 'application/json', bytes: JSON.stringify(value) });

/** https://github.com/sigstore/fulcio/blob/v1.7.0/fulcio.proto */
function certify({ publicKeyRequest }) {
  const key = createPublicKey(publicKeyRequest.publicKey.content);
  const rawSpki = key.export({ format: 'der', type: 'spki' });
  const leaf = makeLeaf({ signer: { ...INTERMEDIATE.signer, rawSpki }, scts: [{ log: CT_LOG }] });
  const certificates = [leaf.pem, INTERMEDIATE.pem, ROOT.pem];
  return json(200, { signedCertificateEmbeddedSct: { chain: { certificates } } });
}

/** https://github.com/sigstore/rekor/blob/v1.4.0/openapi.yaml */
function logFirst(proposed) {
  const raw = Buffer.from(JSON.stringify(proposed.kind === 'dsse' ? canonicalEnvelope(proposed) : proposed));
  const proof = log.proof(raw, { leaf: 2, treeSize: 5 });
  const entry = {
    body: base64(raw),
    integratedTime: INTEGRATED_TIME,
    logID: log.id.toString('hex'),
    logIndex: 7,
    verification: {
      signedEntryTimestamp: log.promise(base64(raw)),
      inclusionProof: {
        logIndex: 2,
        treeSize: 5,
        rootHash: hex(proof.rootHash),
        hashes: proof.hashes.map(hex),
        checkpoint: proof.checkpoint.envelope,
      },
    },
  };
  return json(201, { [sha256(raw).toString('hex')]: entry });
}

/** The log keeps hashes of what was proposed. */
function canonicalEnvelope({ apiVersion, kind, spec: { proposedContent } }) {
  const { payload, signatures } = JSON.parse(proposedContent.envelope);
  const hashOf = (bytes) => ({ algorithm: 'sha256', value: sha256(bytes).toString('hex') });
  const verified = signatures.map(({ sig }, at) => ({ signature: sig, verifier: proposedContent.verifiers[at] }));
  const spec = {
    envelopeHash: hashOf(proposedContent.envelope),
    payloadHash: hashOf(Buffer.from(payload, 'base64')),
    signatures: verified,
  };
  return { apiVersion, kind, spec };
}

/** https://github.com/sigstore/rekor-tiles/blob/v2.0.0/docs/openapi/rekor_service.swagger.json */
function logSecond({ hashedRekordRequestV002: hashed, dsseRequestV002: dsse }) {
  const data = (digest) => ({ algorithm: 'SHA2_256', digest });
  const record = hashed
    ? {
        apiVersion: '0.0.2',
        kind: 'hashedrekord',
        spec: { hashedRekordV002: { data: data(hashed.digest), signature: hashed.signature } },
      }
    : {
        apiVersion: '0.0.2',
        kind: 'dsse',
        spec: {
          dsseV002: {
            payloadHash: data(base64(sha256(Buffer.from(dsse.envelope.payload, 'base64')))),
            signatures: dsse.envelope.signatures.map(({ sig }, at) => ({ content: sig, verifier: dsse.verifiers[at] })),
          },
        },
      };
  const entry = secondLog.entry(record, { leaf: 3, treeSize: 6 });
  return json(201, { ...entry, logIndex: '3', integratedTime: '0', inclusionPromise: null });
}

/** https://github.com/sigstore/timestamp-authority/blob/v1.2.0/openapi.yaml */
function stamp({ artifactHash, hashAlgorithm: hash }) {
  const bytes = tsa.stamp(Buffer.alloc(0), { hash, imprint: Buffer.from(artifactHash, 'base64') });
  return { status: 201, type: 'application/timestamp-reply', bytes };
}

const ROUTES = {
  '/api/v2/signingCert': certify,
  '/api/v1/log/entries': logFirst,
  '/api/v2/log/entries': logSecond,
  '/api/v1/timestamp': stamp,
};

const server = createServer(async (request, response) => {
  const parts = await request.toArray();
  const { status, type, bytes } = ROUTES[request.url](JSON.parse(Buffer.concat(parts).toString()));
  response.writeHead(status, { 'content-type': type }).end(bytes);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}`;

const claims = { iss: 'https://issuer.example', aud: 'sigstore', sub: 'me', email: 'me@example.org', email_verified: true };
const token = ['{"alg":"none"}', JSON.stringify(claims), ''].map((part) => Buffer.from(part).toString('base64url')).join('.');
const signer = () => new FulcioSigner({ fulcioBaseURL: url, identityProvider: { getToken: async () => token } });
const rekor = (options) => new RekorWitness({ rekorBaseURL: url, ...options });
const timestamp = () => new TSAWitness({ tsaBaseURL: url });

const WITNESSES = {
  'first version, dsse': [rekor({ entryType: 'dsse' })],
  'first version, hashedrekord': [rekor({ entryType: 'hashedrekord' })],
  'first version and timestamp': [rekor({ entryType: 'dsse' }), timestamp()],
  'second version and timestamp': [rekor({ majorApiVersion: 2 }), timestamp()],
  'second version without a timestamp': [rekor({ majorApiVersion: 2 })],
  'timestamp without a log': [timestamp()],
};
const artifact = { data: Buffer.from(JSON.stringify(STATEMENT)), type: 'application/vnd.in-toto+json' };
const bundles = {};
for (const [name, witnesses] of Object.entries(WITNESSES)) {
  const builder = new DSSEBundleBuilder({ signer: signer(), witnesses });
  bundles[name] = bundleToJSON(await builder.create(artifact));
}
server.close();

const trustedRoot = trustedRootJson({
  authorities: [[INTERMEDIATE.raw, ROOT.raw]],
  ctLogs: [CT_LOG],
  logs: [log, secondLog],
  timestampAuthorities: [tsa],
});
process.stdout.write(`${JSON.stringify({ trustedRoot, bundles }, null, 1)}\n`);
