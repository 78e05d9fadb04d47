import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { SettingValues } from '../../../src/config/index.ts';
import type { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { hashBytes } from '../../../src/oci/index.ts';
import { PLATFORM, PullBed, type ServedImage } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { peakMemoryDuring } from '../../support/machine/process-memory.ts';
import { expectFailure } from '../../support/matchers.ts';
import { GpgHome, signaturePayload } from '../../support/signatures/gpg-home.ts';
import { type Misbehave, SignatureServer } from '../../support/signatures/signature-server.ts';

/** The logical name; no such host exists, so that all bytes come from the endpoints of registries.conf. */
const NAME = 'app.invalid/team/app';
const LISTS = /^\/extensions\//;

interface PullOptions {
  readonly reference?: string;
  /** The address of the lookaside store; none is named when absent. */
  readonly store?: string;
  readonly settings?: SettingValues;
  readonly signal?: AbortSignal;
}

describeWith(['gpg'], 'an image that must be signed', () => {
  const stack = new AsyncDisposableStack();
  /** A mirror, and the registry itself under another name of the repository. */
  let mirror: PullBed;
  let own: PullBed;
  let server: SignatureServer;
  let gpg: GpgHome;
  let image: ServedImage;
  let indexDigest: string;
  let policy: string;
  let count = 0;

  beforeAll(async () => {
    [mirror, own] = [await PullBed.open(), await PullBed.open()];
    for (const bed of [mirror, own]) stack.defer(() => bed.close());
    server = stack.use(await SignatureServer.start());
    gpg = stack.use(new GpgHome());
    await gpg.makeKey('alice');
    await gpg.makeKey('mallory');
    const layers = [[dir('./'), file('f', 'content')]];
    image = own.serveImage(layers, { tag: '1' });
    mirror.serveImage(layers, { tag: '1' });
    const entry = { ...image, layers: undefined, platform: PLATFORM };
    indexDigest = own.serveIndex([entry], 'multi').digest;
    mirror.serveIndex([entry], 'multi');
    const keyPath = write('alice.gpg', await gpg.exportKeys('alice'));
    policy = write('policy.json', JSON.stringify({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath }] }));
  });

  beforeEach(() => {
    server.misbehave = undefined;
    server.files.clear();
    server.requests.length = 0;
    for (const { registry } of [mirror, own]) {
      registry.forgetFaults();
      registry.requests.length = 0;
    }
    rmSync(own.path('sigs'), { recursive: true, force: true });
  });

  afterAll(() => stack[Symbol.asyncDispose]());

  function write(name: string, content: string | Uint8Array): string {
    const path = own.path(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  const sign = (user: string, digest = image.digest, name = `${NAME}:1`) =>
    gpg.sign(user, signaturePayload(name, digest));
  const pathOf = (position: number, digest = image.digest) =>
    `/team/app@${digest.replace(':', '=')}/signature-${position}`;

  function endpoint(location: string, { registry }: PullBed): string {
    return `location = "${registry.host}/${location}"\ninsecure = true\n`;
  }

  /** Pulls with a mirror in front of the registry, which has the repository under another name. */
  async function pull({ reference = `${NAME}:1`, store, settings = {}, signal }: PullOptions = {}): Promise<string> {
    count += 1;
    const conf = `[[registry]]\nprefix = "app.invalid/team"\n${endpoint('', own)}[[registry.mirror]]\n${endpoint('', mirror)}`;
    const rules = store === undefined ? '' : `docker:\n  ${NAME}:\n    lookaside: ${store}\n`;
    const directory = own.path(`tree-${count}`);
    await composeTestCli({ environment: { HOME: own.path('home') } }).pull(
      {
        ...{ reference, target: { kind: 'unpack', directory } },
        settings: {
          'pull.registries_conf': write(`${count}/registries.conf`, conf),
          'pull.registries_d': dirname(write(`${count}/registries.d/s.yaml`, rules)),
          'pull.policy': policy,
          'pull.limits.maxTries': 1,
          ...settings,
        },
        ...{ credentials: undefined, configFile: undefined, debug: false },
      },
      { signal: signal ?? new AbortController().signal, onProgress: () => {} },
    );
    return directory;
  }

  const blobRequests = () => [mirror, own].flatMap(({ registry }) => registry.requestsTo(/\/blobs\//));
  const atStore = () => server.requests.map(({ path }) => path);

  function offerLists(bed: PullBed, ...signatures: Uint8Array[]): void {
    const headers = { 'x-registry-supports-signatures': '1' };
    bed.registry.inject({ match: /^\/v2\/$/, times: 9, action: { kind: 'headers', headers } });
    const list = signatures.map((content, index) => ({
      ...{ schemaVersion: 2, type: 'atomic', name: `n${index}` },
      content: Buffer.from(content).toString('base64'),
    }));
    const body = JSON.stringify({ signatures: list });
    bed.registry.inject({ match: LISTS, times: 9, action: { kind: 'answer', status: 200, body } });
  }

  it('is pulled from a mirror with a signature under the name that the user wrote', async () => {
    server.files.set(pathOf(1), await sign('alice'));
    expect(existsSync(`${await pull({ store: server.origin })}/f`)).toBe(true);
    expect(atStore()).toEqual([pathOf(1), pathOf(2)]);
    // Control: the bytes came from the mirror, whose own name has no signature.
    expect(mirror.registry.requestsTo(/\/blobs\//).length).toBeGreaterThan(0);
  });

  it('is pulled with a signature in a file', async () => {
    write(`sigs${pathOf(1)}`, await sign('alice'));
    const store = `file://${own.path('sigs')}`;
    expect(existsSync(`${await pull({ store })}/f`)).toBe(true);
  });

  it.each([
    ['its index', () => indexDigest],
    ['its manifest', () => image.digest],
  ])('may be an index of which %s is signed', async (_, digestOf) => {
    server.files.set(pathOf(1, digestOf()), await sign('alice', digestOf(), `${NAME}:multi`));
    expect(existsSync(`${await pull({ store: server.origin, reference: `${NAME}:multi` })}/f`)).toBe(true);
  });

  it('may be pinned by SHA-512, since stores name it by SHA-256', async () => {
    const { origin } = mirror.registry;
    const rawManifest = new Uint8Array(await (await fetch(`${origin}/v2/app/manifests/1`)).arrayBuffer());
    const pinned = hashBytes(rawManifest, 'sha512');
    mirror.registry.addManifest('app', rawManifest, image.mediaType, pinned);
    mirror.registry.inject({
      match: /sha512/,
      action: { kind: 'headers', headers: { 'docker-content-digest': pinned } },
    });
    server.files.set(pathOf(1), await sign('alice'));
    expect(existsSync(`${await pull({ store: server.origin, reference: `${NAME}@${pinned}` })}/f`)).toBe(true);
    expect(atStore()).toContain(pathOf(1));
  });

  it('is denied when its signatures are by others, and no byte of it is asked for', async () => {
    server.files.set(pathOf(1), await sign('mallory'));
    const error = await expectFailure('POLICY_DENIED', () => pull({ store: server.origin }));
    expect(error.message).toContain(`${server.origin}${pathOf(1)}`);
    expect(blobRequests()).toEqual([]);
    // The denial is final: the registry itself is not asked after the mirror.
    expect(own.registry.requests).toEqual([]);
  });

  it('is denied when no signature is there, with the addresses that were looked at', async () => {
    const { message } = await expectFailure('POLICY_DENIED', () => pull({ store: server.origin }));
    expect(message).toContain(`no signature was found; ${server.origin}${pathOf(1)} is not there`);
    expect(blobRequests()).toEqual([]);
  });

  const HASTY = { 'pull.limits.headersTimeoutMs': 300, 'pull.limits.stallTimeoutMs': 300 };

  it.each<[string, Misbehave]>([
    ['no answer', () => undefined],
    ['an answer that stops', (_, response) => void response.writeHead(200, { 'content-length': 99 }).write('\u00a3')],
    [
      'a part of the file',
      (request, response) =>
        response.writeHead(200, { 'content-length': 99 }).write('x', () => request.socket.destroy()),
    ],
    ['403', (_, response) => response.writeHead(403).end()],
    ['500', (_, response) => response.writeHead(500).end()],
    ['a broken connection', (request) => request.socket.destroy()],
    ['a web page', (_, response) => response.end('<html>')],
    ['an empty file', (_, response) => response.end()],
  ])('is neither denied nor pulled when the store has %s instead', async (_, misbehave) => {
    server.misbehave = misbehave;
    const error = await expectFailure('SIGNATURE_UNAVAILABLE', () => pull({ store: server.origin, settings: HASTY }));
    expect(error.kind).toBe('unavailable');
    expect(error.message).toContain(`${server.origin}${pathOf(1)}`);
    expect(blobRequests()).toEqual([]);
  });

  it('is neither denied nor pulled when a store fails behind a signature by others', async () => {
    server.files.set(pathOf(1), await sign('mallory'));
    server.files.set(pathOf(2), Buffer.from('<html>'));
    const { message } = await expectFailure('SIGNATURE_UNAVAILABLE', () => pull({ store: server.origin }));
    expect(message).toContain(`${server.origin}${pathOf(2)}: SIGNATURE_UNAVAILABLE: expected a signature, got`);
  });

  it('is pulled when a store fails beside a good signature', async () => {
    server.files.set(pathOf(1), await sign('alice'));
    server.files.set(pathOf(2), Buffer.from('<html>'));
    expect(existsSync(`${await pull({ store: server.origin })}/f`)).toBe(true);
  });

  it('is refused when its store sends a signature without an end, of which no more is read than may be', async () => {
    let sent = 0;
    server.misbehave = (request, response) => {
      const chunk = Buffer.alloc(256 * 1024, 0xa3);
      const send = (): void => {
        sent += chunk.length;
        if (response.write(chunk)) setImmediate(send);
      };
      response.on('drain', send);
      request.socket.on('close', () => response.removeAllListeners('drain'));
      send();
    };
    let error: SealiftError | undefined;
    const peak = await peakMemoryDuring(async () => {
      error = await expectFailure('SIGNATURE_LIMIT_EXCEEDED', () => pull({ store: server.origin }));
    });
    expect([error?.kind, error?.context['limit']]).toEqual(['exhausted', 'maxSignatureBytes']);
    expect(peak).toBeLessThan(64 * 1024 * 1024);
    // What the kernel holds comes on top.
    expect(sent).toBeLessThan(4 * DEFAULT_LIMITS.maxSignatureBytes);
    expect(blobRequests()).toEqual([]);
  });

  it('is denied by an old signature, which is for the image that the tag led to before', async () => {
    const old = `sha256:${'0'.repeat(64)}`;
    server.files.set(pathOf(1), await sign('alice', old));
    const { message } = await expectFailure('POLICY_DENIED', () => pull({ store: server.origin }));
    expect(message).toContain(`it is for ${old}, not for this image`);
    expect(blobRequests()).toEqual([]);
  });

  it.each([
    ['the mirror', () => `${mirror.registry.host}/app:1`],
    ['the location of the registry', () => `${own.registry.host}/app:1`],
    ['another repository of the same content', () => 'app.invalid/team/other:1'],
  ])('is denied by a signature under the name of %s', async (_, nameOf) => {
    server.files.set(pathOf(1), await sign('alice', image.digest, nameOf()));
    const error = await expectFailure('POLICY_DENIED', () => pull({ store: server.origin }));
    expect(error.message).toContain(`it is for the name "${nameOf()}", and the image is "${NAME}:1"`);
    expect(error.hint).toContain(`"signedIdentity": {"type":"exactReference","dockerReference":"${nameOf()}"}`);
    expect(blobRequests()).toEqual([]);
  });

  it('is refused when its store has no end of signatures, after as many as the limit allows', async () => {
    const signature = await sign('mallory');
    server.misbehave = (_, response) => response.end(signature);
    const settings = { 'pull.limits.maxImageSignatures': 5 };
    const error = await expectFailure('SIGNATURE_LIMIT_EXCEEDED', () => pull({ store: server.origin, settings }));
    expect(error.context).toMatchObject({ limit: 'maxImageSignatures', expected: 5 });
    expect(server.requests).toHaveLength(6);
    expect(blobRequests()).toEqual([]);
  });

  it('is pulled when one of too many signatures is good', async () => {
    const signatures = [await sign('mallory'), await sign('alice')];
    server.misbehave = ({ url = '' }, response) => response.end(signatures[url.endsWith('-2') ? 1 : 0]);
    const settings = { 'pull.limits.maxImageSignatures': 3 };
    expect(existsSync(`${await pull({ store: server.origin, settings })}/f`)).toBe(true);
  });

  it('holds no more bytes of signatures than the limit allows, whatever the store sends', async () => {
    const large = Buffer.alloc(1_000_000, 0xa3);
    server.misbehave = (_, response) => response.end(large);
    const settings = { 'pull.limits.maxImageSignatureBytes': 3_500_000 };
    const error = await expectFailure('SIGNATURE_LIMIT_EXCEEDED', () => pull({ store: server.origin, settings }));
    expect(error.context).toMatchObject({ limit: 'maxImageSignatureBytes', expected: 3_500_000 });
    expect(server.requests).toHaveLength(4);
    server.requests.length = 0;
    const each = { 'pull.limits.maxSignatureBytes': 999_999 };
    const other = await expectFailure('SIGNATURE_LIMIT_EXCEEDED', () => pull({ store: server.origin, settings: each }));
    expect(other.context).toMatchObject({ limit: 'maxSignatureBytes', expected: 999_999 });
    expect(server.requests).toHaveLength(1);
    // Control: the default allows it.
    expect(large.length).toBeLessThan(DEFAULT_LIMITS.maxSignatureBytes);
  });

  it('is not waited for once the user has cancelled', async () => {
    const controller = new AbortController();
    server.misbehave = () => controller.abort();
    await expectFailure('PULL_CANCELLED', () => pull({ store: server.origin, signal: controller.signal }));
    expect(blobRequests()).toEqual([]);
  });

  it.each([
    ['the mirror, which gave the manifest', () => mirror, ['mirror']],
    ['the registry alone', () => own, ['own']],
  ])('may be signed at %s, where no store is named', async (_, bedOf, asked) => {
    offerLists(bedOf(), await sign('mallory'), await sign('alice'));
    expect(existsSync(`${await pull()}/f`)).toBe(true);
    const askedFor = Object.entries({ mirror, own }).filter(
      ([, { registry }]) => registry.requestsTo(LISTS).length > 0,
    );
    expect(askedFor.map(([name]) => name)).toEqual(asked);
  });

  it('is pulled without asking the others when the first registry has a good signature', async () => {
    offerLists(mirror, await sign('alice'));
    await pull();
    expect(own.registry.requests).toEqual([]);
  });

  it('is neither denied nor pulled when one of the registries does not answer', async () => {
    offerLists(mirror, await sign('mallory'));
    own.registry.inject({ match: /^\/v2\/$/, times: 9, action: { kind: 'hang-up' } });
    const { message } = await expectFailure('SIGNATURE_UNAVAILABLE', () => pull());
    expect(message).toContain(`${own.registry.host}/app@${image.digest}: HTTP_UNAVAILABLE`);
    expect(blobRequests()).toEqual([]);
  });

  it('is denied when no registry keeps signatures, and the message says what is missing', async () => {
    const { message } = await expectFailure('POLICY_DENIED', () => pull());
    expect(message).toContain(`no lookaside store is configured for ${NAME}`);
    expect(message).toContain(`the registry of ${own.registry.host}/app@${image.digest} keeps none`);
  });

  it('is not looked for in registries where a store is named', async () => {
    offerLists(mirror, await sign('alice'));
    await expectFailure('POLICY_DENIED', () => pull({ store: server.origin }));
    expect(mirror.registry.requestsTo(LISTS)).toEqual([]);
  });

  it('is not looked at in registries.d when the policy looks at no signature', async () => {
    const settings = {
      'pull.policy': write('accept.json', '{"default":[{"type":"insecureAcceptAnything"}]}'),
      'pull.registries_d': '/nonexistent',
    };
    expect(existsSync(`${await pull({ settings })}/f`)).toBe(true);
    await expectFailure('REGISTRIES_D_INVALID', () => pull({ settings: { 'pull.registries_d': '/nonexistent' } }));
    expect(blobRequests().length).toBeGreaterThan(0);
  });
});
