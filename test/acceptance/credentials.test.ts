import { writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import { type BuiltImage, pushImage } from '../support/builders/image-builder.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { describeWith } from '../support/machine/needs.ts';
import { Scratch } from '../support/machine/scratch.ts';
import { runSealift, type SealiftResult } from '../support/programs/sealift-command.ts';
import { startTamperProxy, type TamperProxy } from '../support/proxies/tamper-proxy.ts';
import {
  REGISTRY_CREDENTIALS,
  type RunningRegistry,
  startDockerRegistry,
} from '../support/registries/docker-registry.ts';

const { username, password } = REGISTRY_CREDENTIALS;
const ENCODED = Buffer.from(`${username}:${password}`).toString('base64');
const CREDENTIALS = ['--creds', `${username}:${password}`];

function expectNoSecrets({ stdout, stderr }: SealiftResult): void {
  for (const secret of [password, ENCODED]) {
    expect(stdout).not.toContain(secret);
    expect(stderr).not.toContain(secret);
  }
}

describeWith(['docker-registry'], 'credentials for a private registry', () => {
  let bed: TestBed;

  beforeAll(async () => {
    bed = await TestBed.open({ credentials: REGISTRY_CREDENTIALS });
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  it('are taken from --creds and from an auth file, and a registry without the image says so', async () => {
    const authfile = bed.newPath('auth.json');
    writeFileSync(authfile, JSON.stringify({ auths: { [bed.proxy.host]: { auth: ENCODED } } }));
    for (const parameters of [CREDENTIALS, ['--authfile', authfile]]) {
      const reference = bed.reference('nothing/here:latest');
      const answer = await runSealift(['inspect', reference, '--tls-verify=false', ...parameters]);
      expect(answer.error?.code, answer.error?.message).toBe('REGISTRY_MANIFEST_UNKNOWN');
      expectNoSecrets(answer);
    }
  });

  it.each([
    ['none', []],
    ['wrong ones', ['--creds', `${username}:${password}-not`]],
  ])('%s: refused as unauthorized, and no message has them', async (_, parameters) => {
    const reference = bed.reference('nothing/here:latest');
    const answer = await runSealift(['inspect', reference, '--tls-verify=false', ...parameters]);
    expect(answer.error?.code).toBe('REGISTRY_AUTH_REJECTED');
    expect(answer.code).toBe(9);
    expectNoSecrets(answer);
  });
});

describeWith(['docker-registry'], 'a registry that sends blobs elsewhere', () => {
  const scratch = new Scratch('credentials');
  let registry: RunningRegistry;
  let storage: TamperProxy;
  let front: TamperProxy;
  let image: BuiltImage;
  let storageWantsPassword = false;

  beforeAll(async () => {
    registry = await startDockerRegistry();
    image = await buildSmallImage(scratch.path);
    await pushImage(registry.url, 'private', 'latest', image);
    storage = await startTamperProxy(registry.host, (_, outgoing) => storageWantsPassword && challenge(outgoing));
    front = await startTamperProxy(registry.host, guardAndRedirect);
  });

  beforeEach(() => {
    storageWantsPassword = false;
    storage.setRules([]);
    front.setRules([]);
  });

  afterAll(async () => {
    await Promise.all([front?.stop(), storage?.stop(), registry?.stop()]);
    scratch[Symbol.dispose]();
  });

  /** Requires the password, serves manifests and redirects every request for a blob to another origin. */
  function guardAndRedirect(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    if (incoming.headers.authorization !== `Basic ${ENCODED}`) return challenge(outgoing);
    if (!incoming.url?.includes('/blobs/')) return false;
    outgoing.writeHead(307, { location: `${storage.url}${incoming.url}` }).end();
    return true;
  }

  function challenge(outgoing: ServerResponse): true {
    outgoing.writeHead(401, { 'www-authenticate': 'Basic realm="storage"' }).end();
    return true;
  }

  const pull = () =>
    runSealift([
      ...['pull', `${front.host}/private@${image.top.digest}`, '--unpack', scratch.join(`target-${Math.random()}`)],
      ...['--tls-verify=false', ...CREDENTIALS],
    ]);

  it('gets the credentials itself and the other origin does not', async () => {
    const answer = await pull();
    expect(answer.error).toBeUndefined();
    expect(front.requests.some(({ authorization }) => authorization === `Basic ${ENCODED}`)).toBe(true);
    expect(storage.requests.length).toBeGreaterThanOrEqual(image.layers.length);
    expect(storage.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    expectNoSecrets(answer);
  });

  it('cannot have them sent by letting the other origin ask for them', async () => {
    storageWantsPassword = true;
    const answer = await pull();
    expect(answer.error?.kind, answer.error?.message).toBe('unauthorized');
    expect(storage.requests.length).toBeGreaterThan(0);
    expect(storage.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    expectNoSecrets(answer);
  });
});
