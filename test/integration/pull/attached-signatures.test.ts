import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { SettingValues } from '../../../src/config/index.ts';
import { asSealiftError, SealiftError } from '../../../src/errors/index.ts';
import type { ProgressEvent, VerifyResult } from '../../../src/pull/index.ts';
import { PLATFORM, PullBed, type ServedImage } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { expectFailure } from '../../support/matchers.ts';
import { startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { attachReferrer, attachUnderTag, listUnderTag } from '../../support/signatures/attach.ts';
import { BUNDLE_TYPE, EMPTY_TYPE, entryOf, INDEX_TYPE, listBytes } from '../../support/signatures/attachment-world.ts';
import { recordedLayout, writeRecordedLayout } from '../../support/signatures/recorded-layouts.ts';
import {
  bundleAttachment,
  bundleJson,
  envelopeJson,
  makeSigner,
  payloadFor,
  signPayload,
  signStatement,
  statementFor,
  type TestSigner,
} from '../../support/signatures/sigstore-builder.ts';
import { type Attachment, publicKey } from '../../support/signatures/sigstore-signatures.ts';

/** The logical name; no such host exists, so that all bytes come from the endpoints of registries.conf. */
const NAME = 'app.invalid/team/app';
const REPOSITORY = 'app';
const SIGNER = makeSigner();
const STRANGER = makeSigner();
const LIMITED = { identity: { type: 'digestOnly' }, settings: { 'pull.limits.maxImageSignatures': 1 } };
const ATTACHED = /\/(?:manifests\/sha256-|referrers\/)/;

interface PullOptions {
  readonly reference?: string;
  readonly identity?: object;
  readonly key?: string;
  readonly rules?: string;
  readonly settings?: SettingValues;
}

describe('an image that must have a signature attached to it', () => {
  /** A mirror without lists of referrers, and the registry itself, with such lists. */
  let mirror: PullBed;
  let own: PullBed;
  let image: ServedImage;
  let indexDigest: string;
  let count = 0;

  beforeEach(async () => {
    mirror = new PullBed(await startFakeRegistry());
    own = new PullBed(await startFakeRegistry({ referrersPerPage: 2 }));
    for (const bed of [mirror, own]) {
      image = bed.serveImage([[dir('./'), file('f', 'content')]], { tag: '1' });
      indexDigest = bed.serveIndex([{ ...image, layers: undefined, platform: PLATFORM }], 'multi').digest;
    }
    return async () => {
      for (const bed of [mirror, own]) await bed.close();
    };
  });

  function write(name: string, content: string): string {
    const path = own.path(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  const payload = (signer: TestSigner, digest = image.digest) => signPayload(signer, payloadFor(digest, `${NAME}:1`));
  const bundle = (signer: TestSigner, digest = image.digest) =>
    bundleAttachment(bundleJson({ dsseEnvelope: envelopeJson(signStatement(signer, statementFor(digest))) }));

  /** As cosign did before version 3. */
  function tagged({ registry }: PullBed, attachments: readonly Attachment[], digest = image.digest): void {
    attachUnderTag(registry, { repository: REPOSITORY, digest }, attachments);
  }

  /** As cosign 3 does; with a list under a tag, for a registry that has none. */
  function referring({ registry }: PullBed, attachment: Attachment, digest = image.digest): void {
    const subject = { repository: REPOSITORY, digest };
    const manifest = attachReferrer(registry, subject, attachment);
    if (registry === mirror.registry) listUnderTag(registry, subject, [manifest]);
  }

  function endpoint(location: string, { registry }: PullBed): string {
    return `location = "${registry.host}/${location}"\ninsecure = true\n`;
  }

  /** Options of a command for the image, with a mirror in front of its registry, which has it under another name. */
  function optionsFor({ reference = `${NAME}:1`, identity, key = SIGNER.publicKey, ...more }: PullOptions) {
    count += 1;
    const conf = `[[registry]]\nprefix = "app.invalid/team"\n${endpoint('', own)}[[registry.mirror]]\n${endpoint('', mirror)}`;
    const signed = { type: 'sigstoreSigned', keyData: Buffer.from(key).toString('base64'), signedIdentity: identity };
    const settings = {
      'pull.registries_conf': write(`${count}/registries.conf`, conf),
      'pull.registries_d': dirname(write(`${count}/registries.d/s.yaml`, more.rules ?? '')),
      'pull.policy': write(`${count}/policy.json`, JSON.stringify({ default: [signed] })),
      'pull.limits.maxTries': 1,
      ...more.settings,
    };
    return { reference, settings, credentials: undefined, configFile: undefined, debug: false };
  }

  const commands = () => composeTestCli({ environment: { HOME: own.path('home') } });
  const io = () => ({ signal: new AbortController().signal, onProgress: () => {} });

  async function pull(options: PullOptions = {}): Promise<string> {
    const given = optionsFor(options);
    const directory = own.path(`tree-${count}`);
    await commands().pull({ ...given, target: { kind: 'unpack', directory } }, io());
    return directory;
  }

  const verify = (options: PullOptions = {}): Promise<VerifyResult> => commands().verify(optionsFor(options), io());

  const DIGEST_ONLY = { identity: { type: 'digestOnly' } };
  const layerRequests = () => [mirror, own].flatMap((bed) => image.layers.map((layer) => bed.fetchesOf(layer)));

  it('is pulled with a signature under the tag of cosign, at the mirror alone', async () => {
    tagged(mirror, [payload(STRANGER), payload(SIGNER)]);
    expect(existsSync(`${await pull()}/f`)).toBe(true);
    expect(own.registry.requests).toEqual([]);
  });

  it('is pulled with a signature under the tag of cosign, at the registry alone', async () => {
    tagged(own, [payload(SIGNER)]);
    expect(existsSync(`${await pull()}/f`)).toBe(true);
    // Control: the bytes came from the mirror.
    expect(image.layers.map((layer) => mirror.fetchesOf(layer))).toEqual([1]);
  });

  it.each([
    ['the list of the registry', () => own],
    ['the list under a tag of the mirror', () => mirror],
  ])('is pulled with a bundle in %s', async (_, bedOf) => {
    referring(bedOf(), bundle(SIGNER));
    expect(existsSync(`${await pull(DIGEST_ONLY)}/f`)).toBe(true);
  });

  it.each([
    ['its index', () => indexDigest],
    ['its manifest', () => image.digest],
  ])('may be an index of which %s is signed', async (_, digestOf) => {
    referring(own, bundle(SIGNER, digestOf()), digestOf());
    expect(existsSync(`${await pull({ ...DIGEST_ONLY, reference: `${NAME}:multi` })}/f`)).toBe(true);
  });

  it('is denied when its signatures are by others or for another image, and no layer is asked for', async () => {
    tagged(mirror, [payload(STRANGER)]);
    referring(own, bundle(SIGNER, `sha256:${'0'.repeat(64)}`));
    const { message } = await expectFailure('POLICY_DENIED', () => pull(DIGEST_ONLY));
    expect(message).toContain(`${mirror.registry.host}/app:${image.digest.replace(':', '-')}.sig, layer 1`);
    expect(message).toMatch(new RegExp(`${own.registry.host}/app@sha256:[0-9a-f]{64}, layer 1`));
    expect(layerRequests()).toEqual([0, 0]);
  });

  it('is denied when none is there, with the locations that were looked at', async () => {
    const { message } = await expectFailure('POLICY_DENIED', () => pull(DIGEST_ONLY));
    for (const { registry } of [mirror, own]) {
      expect(message).toContain(`${registry.host}/app:${image.digest.replace(':', '-')}.sig is not there`);
      expect(message).toContain(`no signature refers to ${registry.host}/app@${image.digest}`);
    }
    expect(layerRequests()).toEqual([0, 0]);
  });

  it('is not denied by a signature that refers to another image', async () => {
    const other = { repository: REPOSITORY, digest: `sha256:${'0'.repeat(64)}` };
    const manifest = attachReferrer(mirror.registry, other, bundle(SIGNER));
    const tag = image.digest.replace(':', '-');
    mirror.registry.addManifest(REPOSITORY, listBytes([entryOf(manifest, BUNDLE_TYPE)]), INDEX_TYPE, tag);
    const { message } = await expectFailure('POLICY_DENIED', () => pull(DIGEST_ONLY));
    expect(message).toContain('no signature was found');
  });

  const HASTY = { 'pull.limits.headersTimeoutMs': 300, 'pull.limits.stallTimeoutMs': 300 };

  it.each([
    ['500', { kind: 'answer', status: 500 }],
    ['403', { kind: 'answer', status: 403 }],
    ['a broken connection', { kind: 'hang-up' }],
    ['no answer', { kind: 'silence' }],
    ['an answer that stops', { kind: 'stall', afterBytes: 1 }],
    ['a part of the answer', { kind: 'close', afterBytes: 1 }],
    ['an answer without an end', { kind: 'endless', status: 200 }],
  ] as const)('is neither denied nor pulled when the registry has %s instead', async (_, action) => {
    tagged(mirror, [payload(STRANGER)]);
    own.registry.inject({ match: ATTACHED, times: 99, action });
    const error = await expectFailure('SIGNATURE_UNAVAILABLE', () => pull({ ...DIGEST_ONLY, settings: HASTY }));
    expect(error.kind).toBe('unavailable');
    expect(layerRequests()).toEqual([0, 0]);
  });

  it('CVE-2023-46737 and CVE-2024-29903: is refused when ten thousand manifests refer to it, of which as many are asked for as may be', async () => {
    const entries = Array.from({ length: 10_000 }, (_, index) => entryOf(Buffer.from(`${index}`), BUNDLE_TYPE));
    const list = listBytes(entries);
    mirror.registry.addManifest(REPOSITORY, list, INDEX_TYPE, image.digest.replace(':', '-'));
    const settings = { 'pull.limits.maxImageReferrers': 30 };
    const error = await expectFailure('SIGNATURE_UNAVAILABLE', () => pull({ ...DIGEST_ONLY, settings }));
    // None of the thirty is there, which says nothing about the image.
    expect(error.message).toMatch(/; 27 more; [^;]*: SIGNATURE_LIMIT_EXCEEDED: manifests that refer to the image/);
    expect(mirror.registry.requestsTo(/\/manifests\/sha256:/)).toHaveLength(30);
    expect(layerRequests()).toEqual([0, 0]);
  });

  it('oras-go #1396: is denied where the tag of the list leads to the image itself, whose platforms are no signatures', async () => {
    // As GitLab answers that tag. https://github.com/oras-project/oras-go/issues/1396
    const { registry } = mirror;
    const asked = await fetch(`${registry.origin}/v2/${REPOSITORY}/manifests/${indexDigest}`);
    const itself = new Uint8Array(await asked.arrayBuffer());
    registry.addManifest(REPOSITORY, itself, INDEX_TYPE, indexDigest.replace(':', '-'));
    const reference = `${NAME}:multi`;
    const { message } = await expectFailure('POLICY_DENIED', () => pull({ ...DIGEST_ONLY, reference }));
    expect(message).toContain(`no signature refers to ${registry.host}/app@${indexDigest}`);
    expect(layerRequests()).toEqual([0, 0]);
    // Control: what does refer to it counts.
    referring(own, bundle(SIGNER, indexDigest), indexDigest);
    expect(existsSync(`${await pull({ ...DIGEST_ONLY, reference })}/f`)).toBe(true);
  });

  it('is pulled with a bundle whose entry in the list has the type of an empty config', async () => {
    const subject = { repository: REPOSITORY, digest: image.digest };
    const manifest = attachReferrer(mirror.registry, subject, bundle(SIGNER));
    const list = listBytes([entryOf(manifest, EMPTY_TYPE)]);
    mirror.registry.addManifest(REPOSITORY, list, INDEX_TYPE, image.digest.replace(':', '-'));
    expect(existsSync(`${await pull(DIGEST_ONLY)}/f`)).toBe(true);
  });

  it('is denied by the signature of another repository for the same content, and by an old one', async () => {
    const old = `sha256:${'0'.repeat(64)}`;
    tagged(mirror, [signPayload(SIGNER, payloadFor(image.digest, 'app.invalid/team/other:1')), payload(SIGNER, old)]);
    const error = await expectFailure('POLICY_DENIED', () => pull({ identity: { type: 'matchRepository' } }));
    expect(error.message).toContain('it is for the name "app.invalid/team/other:1", and the image is');
    expect(error.message).toContain(`it is for ${old}, not for this image`);
    expect(error.hint).toContain('"signedIdentity": {"type":"exactReference"');
    expect(layerRequests()).toEqual([0, 0]);
  });

  it('CVE-2022-47633 and CVE-2023-47630: has its tag asked for once, so that what was judged is what runs, whatever the tag leads to next', async () => {
    const other = own.serveImage([[dir('./'), file('f', 'other')]]);
    const bytes = await (await fetch(`${own.registry.origin}/v2/${REPOSITORY}/manifests/${other.digest}`)).text();
    tagged(own, [payload(SIGNER)]);
    tagged(own, [signPayload(STRANGER, payloadFor(other.digest, `${NAME}:1`))], other.digest);
    mirror.registry.inject({ match: /^/, times: 999, action: { kind: 'answer', status: 404 } });
    const action = { kind: 'answer', status: 200, headers: { 'content-type': image.mediaType }, body: bytes } as const;
    // The server of the tag alternates.
    for (const isOther of [false, true, false]) {
      own.registry.requests.length = 0;
      if (isOther) own.registry.inject({ match: /\/manifests\/1$/, times: 1, action });
      if (isOther) await expectFailure('POLICY_DENIED', () => pull());
      else expect(readFileSync(`${await pull()}/f`, 'utf8')).toBe('content');
      expect(own.registry.requestsTo(/\/manifests\/1$/)).toHaveLength(1);
      expect([...image.layers, ...other.layers].map((layer) => own.fetchesOf(layer))).toEqual([isOther ? 0 : 1, 0]);
    }
  });

  it('is not run for an index of which an entry was exchanged', async () => {
    referring(own, bundle(SIGNER, indexDigest), indexDigest);
    const other = own.serveImage([[dir('./'), file('f', 'other')]]);
    const { layers: _, ...entry } = other;
    const exchanged = listBytes([{ ...entry, platform: PLATFORM }]).toString();
    mirror.registry.inject({ match: /^/, times: 999, action: { kind: 'answer', status: 404 } });
    const headers = { 'content-type': INDEX_TYPE };
    const exchange = (name: string) =>
      own.registry.inject({
        match: new RegExp(`/manifests/${name}$`),
        times: 9,
        action: { kind: 'answer', status: 200, headers, body: exchanged },
      });
    exchange('multi');
    exchange(indexDigest);
    const ofOther = () => other.layers.map((layer) => own.fetchesOf(layer));
    // By tag it is another index, which is not signed; by digest it is not the index that was asked for.
    await expectFailure('POLICY_DENIED', () => pull({ ...DIGEST_ONLY, reference: `${NAME}:multi` }));
    const pinned = { ...DIGEST_ONLY, reference: `${NAME}@${indexDigest}` };
    const mismatch = await expectFailure('MANIFEST_DIGEST_MISMATCH', () => pull(pinned));
    expect(mismatch.kind).toBe('corrupt');
    // The same when the manifest of the right index is exchanged.
    own.registry.forgetFaults();
    exchange(image.digest);
    await expectFailure('MANIFEST_DIGEST_MISMATCH', () => pull(pinned));
    expect(ofOther()).toEqual([0]);
    own.registry.forgetFaults();
    expect(readFileSync(`${await pull(pinned)}/f`, 'utf8')).toBe('content');
  });

  it.each([
    ['status 400', { kind: 'answer', status: 400 }],
    ['status 406', { kind: 'answer', status: 406 }],
    ['a web page', { kind: 'answer', status: 200, body: '<!doctype html><title>Log in</title>' }],
  ] as const)('is not denied when %s comes instead of the list of the registry', async (_, action) => {
    referring(own, bundle(SIGNER));
    own.registry.inject({ match: /\/referrers\//, times: 99, action });
    await expectFailure('SIGNATURE_UNAVAILABLE', () => pull(DIGEST_ONLY));
    expect(layerRequests()).toEqual([0, 0]);
  });

  it('is pulled when the mirror fails beside a good signature', async () => {
    mirror.registry.inject({ match: ATTACHED, times: 99, action: { kind: 'answer', status: 500 } });
    tagged(own, [payload(SIGNER)]);
    expect(existsSync(`${await pull()}/f`)).toBe(true);
  });

  it('is denied where registries.d says that signatures are not attached, without a request for one', async () => {
    tagged(mirror, [payload(SIGNER)]);
    const rules = `docker:\n  ${NAME}:\n    use-sigstore-attachments: false\n`;
    const { message } = await expectFailure('POLICY_DENIED', () => pull({ rules }));
    expect(message).toContain(`registries.d has "use-sigstore-attachments: false" for ${NAME}`);
    expect([mirror, own].flatMap(({ registry }) => registry.requestsTo(ATTACHED))).toEqual([]);
    // Control: without the rule it is pulled.
    expect(existsSync(`${await pull()}/f`)).toBe(true);
  });

  it.each([
    ['maxImageSignatures', 2],
    ['maxImageReferrers', 2],
    ['maxReferrerPages', 1],
  ] as const)('is refused with more than %s, of which none is good', async (limit, most) => {
    for (let position = 0; position < 3; position += 1) {
      const stranger = { ...bundle(STRANGER), annotations: { position: `${position}` } };
      referring(own, stranger);
    }
    const settings = { [`pull.limits.${limit}`]: most };
    const error = await expectFailure('SIGNATURE_LIMIT_EXCEEDED', () => pull({ ...DIGEST_ONLY, settings }));
    expect(error.context).toMatchObject({ limit, expected: most });
    expect(layerRequests()).toEqual([0, 0]);
  });

  it.each([
    ['cosign-bundle-p256', { type: 'digestOnly' }],
    ['cosign-legacy-p256', { type: 'exactRepository', dockerRepository: '127.0.0.1:5917/acme/cosign-legacy-p256' }],
    [
      'cosign-legacy-referrer',
      { type: 'exactRepository', dockerRepository: '127.0.0.1:5917/acme/cosign-legacy-referrer' },
    ],
  ])('may be a layout: %s', async (name, identity) => {
    const folder = own.path(name);
    writeRecordedLayout(recordedLayout(name), folder);
    const options = { reference: `oci:${folder}:1.0`, identity, settings: { 'pull.platform': 'linux/amd64' } };
    expect(existsSync(await pull({ ...options, key: publicKey('p256') }))).toBe(true);
    await expectFailure('POLICY_DENIED', () => pull(options));
    expect((await verify({ ...options, key: publicKey('p256') })).verdict).toBe('accepted');
    expect((await verify(options)).error?.code).toBe('POLICY_DENIED');
  });

  const signaturesOf = ({ policy }: VerifyResult) =>
    policy?.requirements.flatMap(({ signatures }) => signatures.map(({ kind, verdict }) => [kind, verdict]));

  it('is verified with every signature at every location, and neither layers nor config are asked for', async () => {
    tagged(mirror, [payload(STRANGER), payload(SIGNER)]);
    referring(own, bundle(SIGNER));
    const result = await verify(DIGEST_ONLY);
    expect(result).toMatchObject({
      verdict: 'accepted',
      basis: 'signature',
      manifestDigest: image.digest,
      error: undefined,
    });
    expect(result.policy).toMatchObject({ scope: 'default', failures: [] });
    expect(signaturesOf(result)).toEqual([
      ['sigstore-payload', 'refused'],
      ['sigstore-payload', 'accepted'],
      ['sigstore-bundle', 'accepted'],
    ]);
    const accepted = result.policy?.requirements[0]?.signatures[1];
    expect(accepted).toMatchObject({
      origin: `${mirror.registry.host}/app:${image.digest.replace(':', '-')}.sig, layer 2`,
      author: { kind: 'sigstore-key' },
      signedReference: `${NAME}:1`,
    });
    const blobs = [mirror, own].flatMap(({ registry }) => registry.requestsTo(/\/blobs\//)).map(({ url }) => url);
    expect(blobs.some((url) => image.layers.some((layer) => url.endsWith(layer)))).toBe(false);
    expect(blobs).toHaveLength(3);
  });

  it('is verified as a pull judges it, also where a location fails beside a good signature', async () => {
    mirror.registry.inject({ match: ATTACHED, times: 99, action: { kind: 'answer', status: 500 } });
    tagged(own, [payload(SIGNER)]);
    const result = await verify();
    expect(result.verdict).toBe('accepted');
    expect(result.policy?.failures.map(({ code }) => code)).toEqual(['HTTP_UNAVAILABLE', 'HTTP_UNAVAILABLE']);
  });

  it.each([
    ['no policy', {}],
    ['the statement that anything may run', { 'pull.insecure_policy': true }],
  ])('is not verified with %s: a digest alone is no verdict', async (_, settings) => {
    const reference = `${own.registry.host}/app@${image.digest}`;
    const given = { reference, credentials: undefined, configFile: undefined, debug: false };
    const verified = commands().verify({ ...given, settings: { ...settings, 'pull.tls_verify': false } }, io());
    const { hint } = await expectFailure('USAGE', () => verified);
    expect(hint).toContain('--policy');
    expect(own.registry.requests).toEqual([]);
  });

  it('reports its verdict in numbers without a name, also when it is refused', async () => {
    tagged(mirror, [payload(STRANGER), payload(SIGNER)]);
    const verdicts: ProgressEvent[] = [];
    const listening = {
      ...io(),
      onProgress: (event: ProgressEvent) => event.type === 'verdict' && verdicts.push(event),
    };
    for (const key of [SIGNER.publicKey, publicKey('p384')]) {
      const target = { kind: 'unpack', directory: own.path(`judged-${verdicts.length}`) } as const;
      await commands()
        .pull({ ...optionsFor({ key }), target }, listening)
        .catch(() => undefined);
    }
    const signature = (result: string) => ({ kind: 'sigstore-payload', result });
    const summary = (result: string, ...signatures: readonly object[]) => ({
      requirements: [{ type: 'sigstoreSigned', result }],
      signatures,
    });
    expect(verdicts).toEqual([
      {
        type: 'verdict',
        result: 'accepted',
        seconds: expect.any(Number),
        summary: summary('accepted', signature('not-authentic'), signature('accepted')),
      },
      {
        type: 'verdict',
        result: 'denied',
        seconds: expect.any(Number),
        summary: summary('denied', signature('not-authentic'), signature('not-authentic')),
      },
    ]);
  });

  // gh was content with an image that has no attestation at all.
  it.each<[string, () => void, PullOptions]>([
    ['without a signature', () => {}, DIGEST_ONLY],
    ['with a signature by another key', () => tagged(mirror, [payload(STRANGER)]), DIGEST_ONLY],
    ['with a signature for another name', () => tagged(own, [payload(SIGNER)]), { reference: `${NAME}:multi` }],
    [
      'with a registry that fails',
      () => own.registry.inject({ match: ATTACHED, times: 99, action: { kind: 'answer', status: 403 } }),
      DIGEST_ONLY,
    ],
    ['with too many signatures', () => tagged(own, [payload(STRANGER), payload(STRANGER)]), LIMITED],
  ])('is refused by the same error as a pull, %s', async (_, arrange, options) => {
    arrange();
    const { verdict, error } = await verify(options);
    const pulled = await pull(options).catch((failure: unknown) => failure);
    expect(pulled).toBeInstanceOf(SealiftError);
    expect({ code: error?.code, kind: verdict, hint: error?.hint }).toEqual({
      code: asSealiftError(pulled).code,
      kind: asSealiftError(pulled).kind,
      hint: asSealiftError(pulled).hint,
    });
    expect(`pull ${optionsFor(options).reference}: ${error?.message}`).toBe(asSealiftError(pulled).message);
    expect(layerRequests()).toEqual([0, 0]);
  });
});
