import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { hashBytes } from '../../src/oci/index.ts';
import { TestBed } from '../support/beds/test-bed.ts';
import { type BuiltImage, pushImageBy } from '../support/builders/image-builder.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { DaemonProcess } from '../support/daemons/daemon-process.ts';
import { AttestationAgent, makeAgentKeys } from '../support/keybroker/attestation-agent.ts';
import { KbsServer } from '../support/keybroker/kbs-server.ts';
import { mustRun } from '../support/machine/commands.ts';
import { describeWith } from '../support/machine/needs.ts';
import { runSealift } from '../support/programs/sealift-command.ts';
import { REGISTRY_CREDENTIALS } from '../support/registries/docker-registry.ts';
import { RegistryPusher } from '../support/registries/registry-pusher.ts';
import { makeTestCertificates } from '../support/registries/test-certificates.ts';
import { makeSigner, payloadFor, signPayload, type TestSigner } from '../support/signatures/sigstore-builder.ts';

const DOCUMENT = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8');

/** The blocks of the recipe in one language, in their order. */
function blocksOf(language: string): readonly string[] {
  const [, section = ''] = DOCUMENT.split('## Recipe: all from kbs://\n');
  const [text = ''] = section.split('\n## ');
  return [...text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, block = '']) => block);
}

/** Returns what the daemon serves over http on a unix socket. */
async function getPage(socketPath: string, path: string): Promise<string> {
  const asking = get({ socketPath, path });
  const [response] = await once(asking, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

const [BROKER = '', OFFLINE = ''] = blocksOf('toml');
const [POLICY = ''] = blocksOf('json');
const [, PACK = ''] = blocksOf('sh');
const { username, password } = REGISTRY_CREDENTIALS;

describeWith(['root', 'docker-registry', 'openssl'], 'the recipe "all from kbs://" of docs/policy.md', () => {
  let bed: TestBed;
  let image: BuiltImage;
  let signer: TestSigner;
  let daemon: DaemonProcess;

  beforeAll(async () => {
    bed = await TestBed.open({ credentials: REGISTRY_CREDENTIALS });
    image = await buildSmallImage(bed.scratch.path);
    signer = makeSigner();
    const pusher = new RegistryPusher(bed.registry.url, 'team/app', REGISTRY_CREDENTIALS);
    await pushImageBy(pusher, '1', image);
    await pushSignature(pusher);
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    writeFileSync(bed.scratch.join('auth.json'), JSON.stringify({ auths: { [bed.proxy.host]: { auth } } }));
    writeFileSync(bed.scratch.join('policy.json'), POLICY.replaceAll('registry.example', bed.proxy.host));
    writeFileSync(bed.scratch.join('cosign.pub'), signer.publicKey);
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  beforeEach(() => {
    daemon = new DaemonProcess();
  });

  afterEach(() => daemon[Symbol.asyncDispose]());

  /** Attaches a signature as `cosign sign --new-bundle-format=false` does. */
  async function pushSignature(pusher: RegistryPusher): Promise<void> {
    const { digest } = image.top;
    const { content, annotations, mediaType } = signPayload(signer, payloadFor(digest, `${bed.proxy.host}/team/app`));
    const descriptors: object[] = [];
    for (const [text, type, more] of [
      ['{}', 'application/vnd.oci.image.config.v1+json', {}],
      [content, mediaType, { annotations }],
    ] as const) {
      const bytes = Buffer.from(text);
      const descriptor = { mediaType: type, digest: hashBytes(bytes), size: bytes.length, ...more };
      await pusher.pushBlob(descriptor.digest, bytes.length, () => Readable.from([bytes]));
      descriptors.push(descriptor);
    }
    const [config, ...layers] = descriptors;
    const manifest = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config, layers };
    const document = { bytes: Buffer.from(JSON.stringify(manifest)), mediaType: manifest.mediaType };
    await pusher.pushManifest(`${digest.replace(':', '-')}.sig`, document);
  }

  const read = (name: string) => readFileSync(bed.scratch.join(name));

  async function pull(bundle: string) {
    const target = daemon.path('bundles', bundle);
    const answer = await runSealift([
      ...['pull', '--socket', daemon.socket, '--bundle', target, bed.reference('team/app:1')],
    ]);
    return { ...answer, isMounted: existsSync(`${target}/rootfs/etc/layer-0`) };
  }

  function expectNoSecrets({ stdout, stderr }: Awaited<ReturnType<typeof pull>>, more: readonly string[] = []): void {
    const encoded = Buffer.from(`${username}:${password}`).toString('base64');
    const [, keyLine = ''] = signer.publicKey.split('\n');
    const commandLine = readFileSync(`/proc/${daemon.pid}/cmdline`, 'utf8');
    expect(commandLine).toContain('sealiftd');
    for (const secret of [password, encoded, keyLine, 'signedIdentity', ...more]) {
      for (const text of [stdout, stderr, daemon.log, commandLine]) expect(text).not.toContain(secret);
    }
  }

  it('starts a signed image of a private registry with files of the guest, and no other', async () => {
    await mustRun('sh', ['-euc', PACK], { cwd: bed.scratch.path });
    const resources = daemon.path('resources.json');
    writeFileSync(resources, read('resources.json'));
    const [, imageTable = ''] = BROKER.split('\n\n');
    const configure = () =>
      daemon.writeConfig({ more: `${OFFLINE.replace('/etc/sealift/resources.json', resources)}\n${imageTable}` });
    configure();
    await daemon.start();
    const first = await pull('c1');
    expect(first.error, daemon.log).toBeUndefined();
    expect([first.result['manifestDigest'], first.isMounted]).toEqual([image.manifest.digest, true]);
    expectNoSecrets(first);
    // The key is replaced, and the image is in the store.
    const changed = { ...JSON.parse(read('resources.json').toString()) };
    changed['default/cosign-key/1'] = Buffer.from(makeSigner().publicKey).toString('base64');
    writeFileSync(resources, JSON.stringify(changed));
    const second = await pull('c2');
    expect(second.error).toMatchObject({ code: 'POLICY_DENIED' });
    delete changed['default/cosign-key/1'];
    writeFileSync(resources, JSON.stringify(changed));
    expect((await pull('c3')).error).toMatchObject({ code: 'KEYBROKER_RESOURCE_UNKNOWN', kind: 'missing' });
  });

  it('starts it with a key broker, which is asked with a token, and reports what the key broker refuses', async () => {
    const { server, authority } = makeTestCertificates();
    const keys = makeAgentKeys();
    await using kbs = await KbsServer.start(server, keys.publicKey);
    await using agent = await AttestationAgent.start(daemon.path('aa.sock'), keys);
    for (const [name, file] of [
      ['security-policy', 'policy.json'],
      ['cosign-key', 'cosign.pub'],
      ['credential', 'auth.json'],
    ] as const) {
      kbs.resources.set(`resource/default/${name}/1`, read(file));
    }
    const more = BROKER.replace('https://kbs.example:8080', kbs.url).replace(/"""[^"]*"""/, `"""${authority}"""`);
    const health = daemon.path('health.sock');
    daemon.writeConfig({ api: `health = "unix://${health}"`, more });
    await daemon.start();
    expect(kbs.requests).toEqual([]);
    const first = await pull('c1');
    expect(first.error, daemon.log).toBeUndefined();
    expect([first.result['manifestDigest'], first.isMounted]).toEqual([image.manifest.digest, true]);
    expect([kbs.requests.length, agent.tokens.length]).toEqual([3, 1]);
    // What was fetched is known for a while, but not beyond a reload.
    expect((await pull('c2')).error).toBeUndefined();
    expect(kbs.requests).toHaveLength(3);
    kbs.resources.delete('resource/default/security-policy/1');
    process.kill(daemon.pid, 'SIGHUP');
    await expect.poll(() => daemon.log).toContain('configuration reloaded');
    const missing = await pull('c3');
    expect(missing.error).toMatchObject({ code: 'KEYBROKER_RESOURCE_UNKNOWN' });
    kbs.accepts = () => false;
    const denied = await pull('c4');
    expect(denied.error).toMatchObject({ code: 'KEYBROKER_DENIED', kind: 'denied' });
    const pem = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString().split('\n');
    const pages = await Promise.all(['/metrics', '/healthz'].map((path) => getPage(health, path)));
    for (const result of ['ok', 'KEYBROKER_RESOURCE_UNKNOWN', 'KEYBROKER_DENIED']) {
      expect(pages.join()).toContain(`sealift_resources_total{source="kbs",result="${result}"} `);
    }
    const shown = { ...denied, stdout: pages.join() };
    for (const answer of [first, missing, denied, shown]) expectNoSecrets(answer, [...agent.tokens, pem[1] ?? '']);
  });
});
