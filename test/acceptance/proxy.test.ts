import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type BuiltImage, pushImage } from '../support/builders/image-builder.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { unmountBelow } from '../support/machine/mounts.ts';
import { describeWith } from '../support/machine/needs.ts';
import { Scratch } from '../support/machine/scratch.ts';
import { runSealift } from '../support/programs/sealift-command.ts';
import { ForwardProxy } from '../support/proxies/forward-proxy.ts';
import { startTlsFront, type TlsFront } from '../support/proxies/tls-front.ts';
import { type RunningRegistry, startDockerRegistry } from '../support/registries/docker-registry.ts';
import { makeTestCertificates, type TestCertificates } from '../support/registries/test-certificates.ts';

const ACCOUNT = 'mate:seaworthy';

describeWith(['root', 'docker-registry'], 'a registry that only a proxy reaches', () => {
  const scratch = new Scratch('proxy');
  let certificates: TestCertificates;
  let registry: RunningRegistry;
  let front: TlsFront;
  let proxy: ForwardProxy;
  let image: BuiltImage;
  let pulls = 0;

  beforeAll(async () => {
    certificates = makeTestCertificates();
    registry = await startDockerRegistry();
    image = await buildSmallImage(scratch.path);
    await pushImage(registry.url, 'team/app', 'latest', image);
    front = await startTlsFront({ target: registry.host, ...certificates.named });
    proxy = await ForwardProxy.start({ account: ACCOUNT });
  });

  beforeEach(() => {
    proxy.requests.length = 0;
  });

  afterAll(async () => {
    await unmountBelow(scratch.path);
    await proxy?.[Symbol.asyncDispose]();
    await front?.stop();
    await registry?.stop();
    scratch[Symbol.dispose]();
  });

  /** Pulls from a host name that only the proxy resolves. */
  function pull(host: string, env: Readonly<Record<string, string>>, parameters: readonly string[] = []) {
    pulls += 1;
    const reference = host.replace('127.0.0.1', 'registry.example');
    const place = ['--store', scratch.join(`store-${pulls}`), '--bundle', scratch.join(`bundle-${pulls}`)];
    return runSealift(['pull', `${reference}/team/app:latest`, '--insecure-policy', ...place, ...parameters], { env });
  }

  it('is pulled from over https in tunnels, with what the environment says', async () => {
    const env = {
      HTTPS_PROXY: proxy.urlWith(ACCOUNT),
      SEALIFT_PULL_EXTRA_ROOT_CERTIFICATES: certificates.authority,
    };
    const answer = await pull(front.host, env);
    expect(answer.error).toBeUndefined();
    expect(answer.result['manifestDigest']).toBe(image.manifest.digest);
    expect(new Set(proxy.requests.map(({ method, target }) => `${method} ${target}`))).toEqual(
      new Set([`CONNECT ${front.host.replace('127.0.0.1', 'registry.example')}`]),
    );
  });

  it('is pulled from over plain http, where a proxy forbids tunnels to its port', async () => {
    proxy.inject({ kind: 'answer', status: 403 });
    const env = { https_proxy: proxy.urlWith(ACCOUNT), http_proxy: proxy.urlWith(ACCOUNT) };
    const answer = await pull(registry.host, env, ['--tls-verify=false']);
    expect(answer.error).toBeUndefined();
    expect(answer.result['manifestDigest']).toBe(image.manifest.digest);
    const methods = proxy.requests.map(({ method }) => method);
    expect(methods.filter((method) => method === 'CONNECT')).toHaveLength(1);
    expect(methods.filter((method) => method === 'GET').length).toBeGreaterThan(image.layers.length);
  });

  it('is not reached with a wrong password for the proxy, which no message has', async () => {
    const answer = await pull(front.host, { HTTPS_PROXY: proxy.urlWith('mate:barnacle') });
    expect(answer.error).toMatchObject({ code: 'HTTP_PROXY_AUTH_REQUIRED', context: { proxy: proxy.host } });
    expect(answer.code).toBe(9);
    expect(answer.stdout + answer.stderr).not.toMatch(/barnacle|bWF0ZT/);
  });

  it('is not reached without the proxy', async () => {
    const env = { HTTPS_PROXY: proxy.urlWith(ACCOUNT), NO_PROXY: 'example', SEALIFT_PULL_LIMITS_MAX_TRIES: '1' };
    expect((await pull(front.host, env)).error?.code).toBe('HTTP_UNAVAILABLE');
    expect(proxy.requests).toEqual([]);
  });
});
