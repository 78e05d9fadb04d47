import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { SettingValues } from '../../../src/config/index.ts';
import { DEFAULTS } from '../../../src/config/settings.ts';
import { type Digest, parseDigest } from '../../../src/oci/index.ts';
import type { PullResult, PullTarget } from '../../../src/pull/index.ts';
import { writeCheckedRecord } from '../../../src/store/checked-record.ts';
import { statePath } from '../../../src/store/layout.ts';
import { PLATFORM, PullBed } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { alterFile } from '../../support/machine/alter-file.ts';
import { unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { attachReferrer, attachUnderTag } from '../../support/signatures/attach.ts';
import type { TestCertificate } from '../../support/signatures/certificate-builder.ts';
import {
  IDENTITY,
  INTERMEDIATE,
  makeLeaf,
  makeOwnLeaf,
  ROOT,
  SUBJECT,
} from '../../support/signatures/certificate-cases.ts';
import { GpgHome, signaturePayload } from '../../support/signatures/gpg-home.ts';
import { SignatureServer } from '../../support/signatures/signature-server.ts';
import {
  bundleAttachment,
  bundleJson,
  envelopeJson,
  hashedRecord,
  makeSigner,
  payloadFor,
  signPayload,
  signStatement,
  statementFor,
  type TestSigner,
} from '../../support/signatures/sigstore-builder.ts';
import { LOG } from '../../support/signatures/sigstore-cases.ts';
import type { Attachment } from '../../support/signatures/sigstore-signatures.ts';

/** The logical names; no such hosts exist, so that all bytes come from the endpoint of registries.conf. */
const NAME = 'app.invalid/team/app';
const SECOND_NAME = 'second.invalid/app';
const SIGNER = makeSigner();
const STRANGER = makeSigner();
const BY_DIGEST = { type: 'digestOnly' };

const inBase64 = (text: string) => Buffer.from(text).toString('base64');
const keyed = ({ publicKey }: TestSigner, signedIdentity: object = BY_DIGEST) => {
  return { type: 'sigstoreSigned', keyData: inBase64(publicKey), signedIdentity };
};
const bundleOf = (signer: TestSigner, digest: string) =>
  bundleAttachment(bundleJson({ dsseEnvelope: envelopeJson(signStatement(signer, statementFor(digest))) }));

interface Pull {
  readonly reference: string;
  readonly policy: object;
  readonly target?: PullTarget;
  readonly settings?: SettingValues;
}

describeWith(['root', 'gpg'], 'a signed image that is all there', () => {
  const stack = new AsyncDisposableStack();
  let bed: PullBed;
  let server: SignatureServer;
  let ring: string;
  let otherRing: string;
  let gpg: GpgHome;
  let count = 0;

  beforeAll(async () => {
    bed = new PullBed(await startFakeRegistry({ referrersPerPage: 5 }));
    stack.defer(() => bed.close());
    stack.defer(() => unmountBelow(bed.directory));
    server = stack.use(await SignatureServer.start());
    gpg = stack.use(new GpgHome());
    for (const user of ['alice', 'mallory']) await gpg.makeKey(user);
    [ring, otherRing] = [await exported('alice'), await exported('mallory')];
  });

  beforeEach(() => connect());
  afterAll(() => stack[Symbol.asyncDispose]());

  function connect(): void {
    bed.registry.forgetFaults();
    server.misbehave = undefined;
    forget();
  }

  const exported = async (user: string) => (await gpg.exportKeys(user)).toString('base64');
  const byRing = (keyData: string) => ({ type: 'signedBy', keyType: 'GPGKeys', keyData });

  /** From now on neither the registry nor the store of signatures answers. */
  function disconnect(): void {
    bed.registry.inject({ match: /^/, times: 99, action: { kind: 'hang-up' } });
    server.misbehave = (request) => request.socket.destroy();
    forget();
  }

  function forget(): void {
    bed.registry.requests.length = 0;
    server.requests.length = 0;
  }

  const asked = () => [...bed.registry.requests.map(({ url }) => url), ...server.requests.map(({ path }) => path)];

  function write(name: string, content: string): string {
    const path = bed.path(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  const everywhere = (...requirements: readonly object[]) => ({ default: requirements });

  async function pull({ reference, policy, target = { kind: 'store' }, settings = {} }: Pull): Promise<PullResult> {
    count += 1;
    const endpoint = `location = "${bed.registry.host}"\ninsecure = true\n`;
    const conf = ['app.invalid/team', 'second.invalid'].map(
      (prefix) => `[[registry]]\nprefix = "${prefix}"\n${endpoint}`,
    );
    return composeTestCli({ environment: { HOME: bed.path('home') } }).pull(
      {
        ...{ reference, target },
        settings: {
          'store.root': bed.path('store'),
          'pull.registries_conf': write(`${count}/registries.conf`, conf.join('')),
          'pull.registries_d': dirname(
            write(`${count}/registries.d/s.yaml`, `docker:\n  ${NAME}:\n    lookaside: ${server.origin}\n`),
          ),
          'pull.policy': write(`${count}/policy.json`, JSON.stringify(policy)),
          'pull.limits.maxTries': 1,
          ...settings,
        },
        ...{ credentials: undefined, configFile: undefined, debug: false },
      },
      { signal: new AbortController().signal, onProgress: () => {} },
    );
  }

  /** Serves an image that no other test has. */
  const serve = (content: string, tag?: string) =>
    bed.serveImage([[dir('./'), file('f', content)]], tag === undefined ? {} : { tag });
  const recordOf = (digest: string) => statePath.signatures(bed.path('store/state'), parseDigest(digest));
  const pinned = (digest: string, name = NAME) => `${name}@${digest}`;
  const atRegistry = (digest: string) => ({ repository: 'app', digest });

  /** A payload of cosign's first format with the key of a certificate; a log has seen it if that is to prove its time. */
  function signKeyless(certificate: TestCertificate, digest: string, isLogged: boolean): Attachment {
    const signed = signPayload(certificate.signer, payloadFor(digest, NAME));
    const signature = Buffer.from(signed.annotations['dev.cosignproject.cosign/signature'] ?? '', 'base64');
    const signer = { ...certificate.signer, publicKey: certificate.pem };
    const record = hashedRecord({ signature, content: Buffer.from(signed.content), signer });
    const annotations = {
      ...signed.annotations,
      'dev.sigstore.cosign/certificate': certificate.pem,
      'dev.sigstore.cosign/chain': INTERMEDIATE.pem,
      ...(isLogged ? { 'dev.sigstore.cosign/bundle': LOG.annotation(record) } : {}),
    };
    return { ...signed, annotations };
  }

  const byWorkflow = (subjectURI = IDENTITY.subjectURI) => ({
    ...{ type: 'sigstoreSigned', signedIdentity: BY_DIGEST },
    fulcio: { caData: inBase64(ROOT.pem), oidcIssuer: IDENTITY.oidcIssuer, subjectURI },
    rekorPublicKeyData: inBase64(LOG.signer.publicKey),
  });

  interface Kind {
    readonly what: string;
    readonly sign: (digest: string) => void | Promise<void>;
    readonly requirement: () => object;
    readonly other: () => object;
  }

  const KINDS: readonly Kind[] = [
    {
      what: 'a simple signature from a lookaside store',
      sign: async (digest) => {
        const signature = await gpg.sign('alice', signaturePayload(`${NAME}:1`, digest));
        server.files.set(`/team/app@${digest.replace(':', '=')}/signature-1`, signature);
      },
      requirement: () => byRing(ring),
      other: () => byRing(otherRing),
    },
    {
      what: 'a signature under the tag of cosign',
      sign: (digest) =>
        attachUnderTag(bed.registry, atRegistry(digest), [signPayload(SIGNER, payloadFor(digest, NAME))]),
      requirement: () => keyed(SIGNER, { type: 'matchRepository' }),
      other: () => keyed(STRANGER, { type: 'matchRepository' }),
    },
    {
      what: 'a bundle that refers to it',
      sign: (digest) => void attachReferrer(bed.registry, atRegistry(digest), bundleOf(SIGNER, digest)),
      requirement: () => keyed(SIGNER),
      other: () => keyed(STRANGER),
    },
    {
      // Its certificate expired minutes after it was made: what proves the time is kept with it.
      what: 'a keyless signature that a log has seen',
      sign: (digest) => attachUnderTag(bed.registry, atRegistry(digest), [signKeyless(makeLeaf(), digest, true)]),
      requirement: () => byWorkflow(),
      other: () => byWorkflow('https://github.com/acme/other'),
    },
  ];

  it.each(KINDS)('starts again with the registry off, but not once its key has left: $what', async (kind) => {
    const { digest } = serve(kind.what);
    await kind.sign(digest);
    const policy = everywhere(kind.requirement());
    const first = await pull({ reference: pinned(digest), policy });
    expect(first.signers[0]?.isKept).toBeUndefined();
    // Control: the registry is needed for an image that is not there.
    expect(asked().length).toBeGreaterThan(2);

    disconnect();
    const directory = bed.path(`bundle-${count}`);
    const again = await pull({ reference: pinned(digest), policy, target: { kind: 'bundle', directory } });
    expect(readFileSync(`${directory}/rootfs/f`, 'utf8')).toBe(kind.what);
    expect(again.signers).toEqual(first.signers.map((signer) => ({ ...signer, isKept: true })));
    expect(asked()).toEqual([]);

    // The image is mounted now, and all its layers are there.
    const changed = { reference: pinned(digest), policy: everywhere(kind.other()) };
    const off = await expectFailure('SIGNATURE_UNAVAILABLE', () => pull(changed));
    expect(off.kind).toBe('unavailable');
    connect();
    const { message } = await expectFailure('POLICY_DENIED', () => pull(changed));
    expect(message.match(/\(kept by an earlier pull\)/g)).toHaveLength(1);
    const rejected = { reference: pinned(digest), policy: everywhere({ type: 'reject' }, kind.requirement()) };
    forget();
    await expectFailure('POLICY_DENIED', () => pull(rejected));
    expect(asked()).toEqual([]);
    // Control: with its key it still starts.
    await pull({ reference: pinned(digest), policy });
  });

  it('may be pinned by the digest of its index, which is what was signed', async () => {
    const { layers: _, ...image } = serve('in an index');
    const { digest } = bed.serveIndex([{ ...image, platform: PLATFORM }]);
    attachReferrer(bed.registry, atRegistry(digest), bundleOf(SIGNER, digest));
    await pull({ reference: pinned(digest), policy: everywhere(keyed(SIGNER)) });
    disconnect();
    await pull({ reference: pinned(digest), policy: everywhere(keyed(SIGNER)) });
    expect(asked()).toEqual([]);
    // The signature is for the index: the manifest by itself is not signed.
    await expectFailure('SIGNATURE_UNAVAILABLE', () =>
      pull({ reference: pinned(image.digest), policy: everywhere(keyed(SIGNER)) }),
    );
  });

  it('is not run by a certificate that has expired since, although it was good at an earlier pull', async () => {
    const { digest } = serve('expired');
    const day = 24 * 3_600_000;
    const now = Math.max(Date.now(), Date.parse(DEFAULTS['pull.not_before']));
    const leaf = makeOwnLeaf({ notAfter: new Date(now + day) });
    attachUnderTag(bed.registry, atRegistry(digest), [signKeyless(leaf, digest, false)]);
    const pki = { caRootsData: inBase64(ROOT.pem), ...SUBJECT };
    const policy = everywhere({ type: 'sigstoreSigned', pki, signedIdentity: BY_DIGEST });
    const request = { reference: pinned(digest), policy };
    await pull(request);
    disconnect();
    expect((await pull(request)).signers).toMatchObject([{ isKept: true }]);
    const later = { ...request, settings: { 'pull.not_before': new Date(now + 2 * day).toISOString() } };
    await expectFailure('SIGNATURE_UNAVAILABLE', () => pull(later));
    connect();
    const { message } = await expectFailure('POLICY_DENIED', () => pull(later));
    expect(message).toMatch(/\(kept by an earlier pull\): [^;]*valid/);
  });

  it('has its tag resolved first, and its signature is not asked for then', async () => {
    const { digest } = serve('tagged', 't');
    attachUnderTag(bed.registry, atRegistry(digest), [signPayload(SIGNER, payloadFor(digest, NAME))]);
    const request = { reference: `${NAME}:t`, policy: everywhere(keyed(SIGNER)) };
    await pull(request);
    forget();
    await pull(request);
    expect(asked()).toEqual(['/v2/', '/v2/app/manifests/t']);
    disconnect();
    await expectFailure('HTTP_UNAVAILABLE', () => pull(request));
    connect();
    // The tag leads to another image now, which is not signed.
    serve('moved', 't');
    await expectFailure('POLICY_DENIED', () => pull(request));
  });

  it('is judged by the scope of the name under which it is asked for', async () => {
    const { digest } = serve('two names');
    attachUnderTag(bed.registry, atRegistry(digest), [signPayload(SIGNER, payloadFor(digest, NAME))]);
    const scoped = (second: object) => ({
      default: [{ type: 'reject' }],
      transports: { docker: { [NAME]: [keyed(SIGNER, { type: 'matchRepository' })], 'second.invalid': [second] } },
    });
    const under = (name: string, second: object) => pull({ reference: pinned(digest, name), policy: scoped(second) });
    await under(NAME, { type: 'reject' });
    const rejected = await expectFailure('POLICY_DENIED', () => under(SECOND_NAME, { type: 'reject' }));
    expect(rejected.context).toMatchObject({ scope: expect.stringContaining('second.invalid') });
    const others = await expectFailure('POLICY_DENIED', () => under(SECOND_NAME, keyed(STRANGER)));
    expect(others.message).toContain('it is not by the key of the requirement');
    const renamed = keyed(SIGNER, { type: 'matchRepository' });
    const named = await expectFailure('POLICY_DENIED', () => under(SECOND_NAME, renamed));
    expect(named.message).toContain(`it is for the name "${NAME}"`);
    // Control: a scope whose rule accepts it lets it run, by what was kept under the first name.
    disconnect();
    expect((await under(SECOND_NAME, keyed(SIGNER))).signers).toMatchObject([{ isKept: true }]);
  });

  it('keeps what each policy wanted', async () => {
    const { digest } = serve('rotated');
    attachReferrer(bed.registry, atRegistry(digest), bundleOf(SIGNER, digest));
    const by = (...signers: TestSigner[]) => ({
      reference: pinned(digest),
      policy: everywhere(...signers.map((signer) => keyed(signer))),
    });
    await pull(by(SIGNER));
    attachReferrer(bed.registry, atRegistry(digest), bundleOf(STRANGER, digest));
    await pull(by(STRANGER));
    disconnect();
    for (const signers of [[SIGNER], [STRANGER], [SIGNER, STRANGER]]) await pull(by(...signers));
    expect(asked()).toEqual([]);
  });

  it.each(['flipped bit', 'half of it', 'directory'] as const)(
    'is verified by its registry when the record is damaged (%s), which is then written again',
    async (alteration) => {
      const { digest } = serve(`damaged ${alteration}`);
      attachReferrer(bed.registry, atRegistry(digest), bundleOf(SIGNER, digest));
      const request = { reference: pinned(digest), policy: everywhere(keyed(SIGNER)) };
      await pull(request);
      const path = recordOf(digest);
      const original = readFileSync(path);
      alterFile(path, alteration, { other: path, elsewhere: bed.path('elsewhere') });
      forget();
      await pull(request);
      expect(asked().some((url) => url.includes('/referrers/'))).toBe(true);
      expect(readFileSync(path)).toEqual(original);
    },
  );

  it('is not believed because of a record that was written with a signature by others', async () => {
    const { digest } = serve('forged');
    attachReferrer(bed.registry, atRegistry(digest), bundleOf(STRANGER, digest));
    await pull({ reference: pinned(digest), policy: everywhere(keyed(STRANGER)) });
    const { content, ...layer } = bundleOf(STRANGER, digest);
    const forge = (origin: string, bytes: string, image: Digest = parseDigest(digest)) =>
      writeCheckedRecord(recordOf(digest), {
        image,
        signatures: [{ origin, ...layer, content: Buffer.from(bytes).toString('base64') }],
      });
    const request = { reference: pinned(digest), policy: everywhere(keyed(SIGNER)) };
    forge('forged', content);
    const { message } = await expectFailure('POLICY_DENIED', () => pull(request));
    expect(message).toContain('forged (kept by an earlier pull): it is not by the key of the requirement');
    // A good signature of another image.
    const other = serve('good').digest;
    forge('another', bundleOf(SIGNER, other).content);
    expect((await expectFailure('POLICY_DENIED', () => pull(request))).message).toContain(
      'another (kept by an earlier pull): it is for',
    );
    // Control: a good one of this image lets it run, wherever it comes from.
    forge('good', bundleOf(SIGNER, digest).content);
    disconnect();
    expect((await pull(request)).signers).toMatchObject([{ origin: 'good', isKept: true }]);
  });

  it('takes its signatures along when it is removed, and leaves none of a pull that failed', async () => {
    const { digest } = serve('removed');
    attachReferrer(bed.registry, atRegistry(digest), bundleOf(SIGNER, digest));
    await pull({ reference: pinned(digest), policy: everywhere(keyed(SIGNER)) });
    const failing = serve('failing');
    attachReferrer(bed.registry, atRegistry(failing.digest), bundleOf(SIGNER, failing.digest));
    const layer = new RegExp(`/blobs/${failing.layers[0]}$`);
    bed.registry.inject({ match: layer, times: 99, action: { kind: 'answer', status: 404 } });
    const request = { reference: pinned(failing.digest), policy: everywhere(keyed(SIGNER)) };
    await expectFailure('REGISTRY_BLOB_UNKNOWN', () => pull(request));
    expect([existsSync(recordOf(digest)), existsSync(recordOf(failing.digest))]).toEqual([true, true]);
    const commands = composeTestCli();
    const common = { settings: { 'store.root': bed.path('store') }, configFile: undefined, debug: false };
    const io = { signal: new AbortController().signal, onProgress: () => {} };
    await commands.prune({ ...common, all: true, ofDaemon: false }, io);
    expect([existsSync(recordOf(digest)), existsSync(recordOf(failing.digest))]).toEqual([false, false]);
  });
});
