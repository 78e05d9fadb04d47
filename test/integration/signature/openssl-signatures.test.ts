import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { mustRun } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { bundleAttachment, bundleJson, encodeEnvelope } from '../../support/signatures/sigstore-builder.ts';
import { IMAGE, PAYLOAD, STATEMENT } from '../../support/signatures/sigstore-cases.ts';
import {
  attachmentVerdict,
  type JudgedAttachment,
  judgeAttachment,
} from '../../support/signatures/sigstore-signatures.ts';
import { judgedByRoot, rootFile, timedBundle } from '../../support/sigstore/timed-signatures.ts';
import { trustedAuthority, trustedRootJson } from '../../support/sigstore/trusted-root.ts';

const EC = (curve: string) => ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`];

const TYPE = 'application/vnd.in-toto+json';

describeWith(['openssl'], 'a signature that OpenSSL makes', () => {
  const scratch = new Scratch('openssl');
  afterAll(() => scratch[Symbol.dispose]());

  it.each([
    ['P-256', EC('P-256'), 'sha256', 'accepted'],
    ['P-384', EC('P-384'), 'sha384', 'accepted'],
    ['P-384', EC('P-384'), 'sha256', 'accepted'],
    ['P-521', EC('P-521'), 'sha512', 'accepted'],
    ['P-256', EC('P-256'), 'sha1', 'not-authentic'],
    ['RSA', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], 'sha256', 'accepted'],
    ['RSA', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], 'sha512', 'not-authentic'],
  ])('with %s and %o %s is %s', async (_, parameters, hash, expected) => {
    const path = (name: string) => scratch.join(name);
    await mustRun('openssl', ['genpkey', ...parameters, '-out', path('key')]);
    await mustRun('openssl', ['pkey', '-in', path('key'), '-pubout', '-out', path('public')]);
    const sign = async (message: Uint8Array): Promise<string> => {
      writeFileSync(path('message'), message);
      await mustRun('openssl', ['dgst', `-${hash}`, '-sign', path('key'), '-out', path('signature'), path('message')]);
      return readFileSync(path('signature')).toString('base64');
    };
    const keys = [readFileSync(path('public'), 'utf8')];

    const content = JSON.stringify(PAYLOAD);
    const annotations = { 'dev.cosignproject.cosign/signature': await sign(Buffer.from(content)) };
    const mediaType = 'application/vnd.dev.cosign.simplesigning.v1+json';
    expect(attachmentVerdict({ image: IMAGE, attachment: { mediaType, annotations, content }, keys })).toBe(expected);

    const payload = Buffer.from(JSON.stringify(STATEMENT));
    const sig = await sign(encodeEnvelope(TYPE, payload));
    const dsseEnvelope = { payload: payload.toString('base64'), payloadType: TYPE, signatures: [{ sig }] };
    const attachment = bundleAttachment(bundleJson({ dsseEnvelope }));
    expect(attachmentVerdict({ image: IMAGE, attachment, keys })).toBe(expected);
  });
});

const CONFIG = `
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[between]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign
nameConstraints = critical,permitted;email:acme.example,permitted;DNS:acme.example
authorityKeyIdentifier = keyid,issuer
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning
subjectAltName = email:release@acme.example,DNS:ci.acme.example
[foreign]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning
subjectAltName = email:release@other.example
`;

describeWith(['openssl'], 'a certificate that OpenSSL makes', () => {
  const scratch = new Scratch('openssl-pki');
  afterAll(() => scratch[Symbol.dispose]());
  const path = (name: string) => scratch.join(name);
  const openssl = (...flags: readonly string[]) => mustRun('openssl', [...flags]);
  const read = (name: string) => readFileSync(path(name));

  /** Makes a certificate `NAME` with a key, by itself or by another one. */
  async function issue(name: string, section: string, issuer?: string): Promise<void> {
    await openssl('genpkey', ...EC('P-384'), '-out', path(`${name}.key`));
    const subject = ['-subj', `/O=acme/CN=${name}`, '-config', path('config')];
    const use = ['-sha384', '-days', '30'];
    if (issuer === undefined) {
      await openssl(
        'req',
        '-x509',
        '-new',
        '-key',
        path(`${name}.key`),
        ...subject,
        '-extensions',
        section,
        ...use,
        '-out',
        path(name),
      );
      return;
    }
    await openssl('req', '-new', '-key', path(`${name}.key`), ...subject, '-out', path('request'));
    const by = ['-CA', path(issuer), '-CAkey', path(`${issuer}.key`), '-CAcreateserial'];
    const extensions = ['-extfile', path('config'), '-extensions', section];
    await openssl('x509', '-req', '-in', path('request'), ...by, ...extensions, ...use, '-out', path(name));
  }

  async function judge(leaf: string, subject: { subjectEmail?: string; subjectHostname?: string }, nowMs = Date.now()) {
    const content = JSON.stringify(PAYLOAD);
    writeFileSync(path('message'), content);
    await openssl('dgst', '-sha384', '-sign', path(`${leaf}.key`), '-out', path('signature'), path('message'));
    const annotations = {
      'dev.cosignproject.cosign/signature': read('signature').toString('base64'),
      'dev.sigstore.cosign/certificate': read(leaf).toString(),
      'dev.sigstore.cosign/chain': read('sub').toString() + read('root').toString(),
    };
    const mediaType = 'application/vnd.dev.cosign.simplesigning.v1+json';
    const roots = [{ name: 'root', rawBytes: read('root') }];
    const author = { kind: 'pki', roots, intermediates: [], subject } as const;
    const judged: JudgedAttachment = { image: IMAGE, attachment: { mediaType, annotations, content }, author, nowMs };
    return attachmentVerdict(judged);
  }

  it('is accepted for its names, while it is valid, and within the constraints of its authority', async () => {
    writeFileSync(path('config'), CONFIG);
    await issue('root', 'authority');
    await issue('sub', 'between', 'root');
    await issue('release', 'leaf', 'sub');
    await issue('other', 'foreign', 'sub');
    expect(await judge('release', { subjectEmail: 'release@acme.example', subjectHostname: 'ci.acme.example' })).toBe(
      'accepted',
    );
    expect(await judge('release', { subjectEmail: 'other@acme.example' })).toBe('author');
    expect(await judge('other', { subjectEmail: 'release@other.example' })).toBe('certificate-use');
    const DAY_MS = 86_400_000;
    const subject = { subjectEmail: 'release@acme.example' };
    expect(await judge('release', subject, Date.now() + 31 * DAY_MS)).toBe('certificate-time');
    expect(await judge('release', subject, Date.now() - DAY_MS)).toBe('certificate-time');
  });
});

/** `tsa` makes timestamps as RFC 3161 has them; `ess_cert_id_alg` is the hash of its certificate in them. */
const TSA_CONFIG = (hash: string) => `
[ tsa ]
serial = serial
signer_cert = leaf.pem
signer_key = leaf.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = ${hash}
`;

describeWith(['openssl'], 'a timestamp that OpenSSL makes', () => {
  const scratch = new Scratch('openssl-ts');
  afterAll(() => scratch[Symbol.dispose]());
  const openssl = (...args: readonly string[]) => mustRun('openssl', args, { cwd: scratch.path });
  const certificate = (name: string) => readFileSync(scratch.join(`${name}.der`));

  it.each<[string, string, readonly string[]]>([
    ['sha256', 'sha256', []],
    ['sha512', 'sha1', ['-cert']],
  ])('of %s, with the %s of its certificate, is accepted', async (hash, certificateHash, options) => {
    writeFileSync(scratch.join('ts.cnf'), TSA_CONFIG(certificateHash));
    writeFileSync(
      scratch.join('leaf.ext'),
      'keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n',
    );
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    await openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      'root.key',
      '-out',
      'root.pem',
      '-subj',
      '/O=test/CN=root',
      '-days',
      '2',
    );
    await openssl('req', ...key, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', '/O=test/CN=tsa');
    const ca = ['-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial', '-extfile', 'leaf.ext', '-days', '2'];
    await openssl('x509', '-req', '-in', 'leaf.csr', ...ca, '-out', 'leaf.pem');
    for (const name of ['root', 'leaf']) {
      await openssl('x509', '-in', `${name}.pem`, '-outform', 'der', '-out', `${name}.der`);
    }
    const bundle = timedBundle({});
    const envelope = bundle['dsseEnvelope'] as { readonly signatures: readonly { readonly sig: string }[] };
    writeFileSync(scratch.join('signature'), Buffer.from(envelope.signatures[0]?.sig ?? '', 'base64'));
    await openssl('ts', '-query', '-data', 'signature', `-${hash}`, ...options, '-out', 'query');
    const reply = ['-config', 'ts.cnf', '-section', 'tsa', '-out', 'reply'];
    await openssl('ts', '-reply', '-queryfile', 'query', ...reply);
    const signedTimestamp = readFileSync(scratch.join('reply')).toString('base64');

    const material = {
      publicKey: { hint: 'x' },
      timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp }] },
    };
    const authority = {
      ...trustedAuthority([certificate('leaf'), certificate('root')], 'https://openssl.example'),
      validFor: { start: '2020-01-01T00:00:00Z' },
    };
    const judge = (chain: typeof authority) => {
      const root = rootFile({ ...trustedRootJson({}), timestampAuthorities: [chain] });
      return judgeAttachment(judgedByRoot({ ...bundle, verificationMaterial: material }, root));
    };
    expect(judge(authority)).toMatchObject({ kind: 'accepted' });
    const before = { ...authority, validFor: { start: '2020-01-01T00:00:00Z', end: '2020-01-02T00:00:00Z' } };
    expect(judge(before)).toMatchObject({ reason: 'timestamp' });
  });
});
