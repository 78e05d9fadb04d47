import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { type BuiltImage, pushImage } from '../../support/builders/image-builder.ts';
import { buildSmallImage } from '../../support/builders/small-image.ts';
import { runCommand } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { startTlsFront } from '../../support/proxies/tls-front.ts';
import { startDockerRegistry } from '../../support/registries/docker-registry.ts';
import { makeTestCertificates } from '../../support/registries/test-certificates.ts';

describeWith(['docker-registry'], 'a registry with a private authority that wants a client certificate', () => {
  const scratch = new Scratch('certificates');
  const running: AsyncDisposable[] = [];
  let host = '';
  let image: BuiltImage;
  let count = 0;

  beforeAll(async () => {
    image = await buildSmallImage(scratch.path);
    const registry = await startDockerRegistry();
    running.push(registry);
    await pushImage(registry.url, 'app', 'latest', image);
    const certificates = makeTestCertificates();
    const front = { ...certificates.server, target: registry.host, clientAuthority: certificates.authority };
    const server = await startTlsFront(front);
    running.push(server);
    host = server.host;
    for (const folder of [`certs.d/${host}`, `authority.d/${host}`, 'empty.d', 'conf.d']) {
      mkdirSync(scratch.join(folder), { recursive: true });
    }
    for (const parent of ['certs.d', 'authority.d']) {
      writeFileSync(scratch.join(parent, host, 'ca.crt'), certificates.authority);
    }
    writeFileSync(scratch.join('certs.d', host, 'client.cert'), certificates.named.cert);
    writeFileSync(scratch.join('certs.d', host, 'client.key'), certificates.named.key);
    writeFileSync(scratch.join('registries.conf'), '');
  });

  afterAll(async () => {
    await Promise.all(running.map((each) => each[Symbol.asyncDispose]()));
    scratch[Symbol.dispose]();
  });

  async function pull(certsD: string, certDir?: string): Promise<string> {
    count += 1;
    const directory = scratch.join(`tree-${count}`);
    const settings = {
      'pull.registries_conf': scratch.join('registries.conf'),
      'pull.registries_conf_d': scratch.join('conf.d'),
      'pull.certs_d': scratch.join(certsD),
      'pull.limits.maxTries': 1,
    };
    await composeTestCli().pull(
      {
        ...{ reference: `${host}/app@${image.top.digest}`, target: { kind: 'unpack', directory }, settings, certDir },
        ...{ credentials: undefined, configFile: undefined, debug: false },
      },
      { signal: new AbortController().signal, onProgress: () => {} },
    );
    return directory;
  }

  it('serves an image, layers and all, to who has both in certs.d', async () => {
    expect(existsSync(`${await pull('certs.d')}/etc/layer-2`)).toBe(true);
  });

  it('serves an image to who names the folder with --cert-dir', async () => {
    expect(existsSync(`${await pull('empty.d', scratch.join('certs.d', host))}/etc/layer-2`)).toBe(true);
  });

  it.each([
    ['neither', 'empty.d'],
    ['the authority only', 'authority.d'],
  ])('serves nobody who has %s', async (_, certsD) => {
    await expectFailure('HTTP_UNAVAILABLE', () => pull(certsD));
  });

  describeWith(['skopeo'], 'as skopeo sees it', () => {
    it.each([
      ['certs.d', 0],
      ['authority.d', 1],
    ])('with %s', async (folder, code) => {
      const certDir = scratch.join(folder, host);
      const parameters = ['inspect', '--raw', '--cert-dir', certDir, `docker://${host}/app:latest`];
      expect((await runCommand('skopeo', parameters)).code).toBe(code);
    });
  });
});
