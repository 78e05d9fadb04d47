import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import type { BuiltImage } from '../support/builders/image-builder.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { describeWith } from '../support/machine/needs.ts';
import { runSealift, type SealiftOptions } from '../support/programs/sealift-command.ts';
import { countFetches, startTamperProxy, type TamperProxy } from '../support/proxies/tamper-proxy.ts';
import { startTlsFront, type TlsFront } from '../support/proxies/tls-front.ts';
import { makeTestCertificates } from '../support/registries/test-certificates.ts';

describeWith(['docker-registry'], 'the built program with mirrors', () => {
  let bed: TestBed;
  let mirror: TamperProxy;
  let front: TlsFront;
  let image: BuiltImage;

  beforeAll(async () => {
    bed = await TestBed.open();
    mirror = await startTamperProxy(bed.registry.host);
    image = await buildSmallImage(bed.scratch.path);
    await bed.push('team/app', 'latest', image);
    const { authority, server, named } = makeTestCertificates();
    front = await startTlsFront({ ...server, target: bed.registry.host, clientAuthority: authority });
    mkdirSync(bed.scratch.join('certs'));
    for (const [name, text] of [
      ['ca.crt', authority],
      ['client.cert', named.cert],
      ['client.key', named.key],
    ] as const) {
      writeFileSync(bed.scratch.join('certs', name), text);
    }
    mkdirSync(bed.scratch.join('conf.d'));
  });

  beforeEach(() => {
    mirror.setRules([]);
    bed.proxy.setRules([]);
  });

  afterAll(async () => {
    await front?.stop();
    await mirror?.stop();
    await bed?.[Symbol.asyncDispose]();
  });

  const conf = (extra = '') => `[[registry]]
prefix = "app.invalid"
location = "${bed.proxy.host}"
insecure = true
${extra}
[[registry.mirror]]
location = "${mirror.host}"
insecure = true
`;

  async function pull(text: string, options: SealiftOptions = {}) {
    const target = bed.newPath('tree');
    writeFileSync(bed.scratch.join('registries.conf'), text);
    const parameters = ['pull', `app.invalid/team/app@${image.top.digest}`, '--unpack', target];
    const directory = ['--registries-conf-d', bed.scratch.join('conf.d')];
    const answer = await runSealift([...parameters, ...directory], {
      ...options,
      env: { CONTAINERS_REGISTRIES_CONF: bed.scratch.join('registries.conf') },
    });
    return { answer, target };
  }

  it('takes the image from the mirror', async () => {
    const { answer, target } = await pull(conf());
    expect(answer.error).toBeUndefined();
    expect(answer.result).toMatchObject({ name: 'app.invalid/team/app', warnings: [] });
    expect(existsSync(`${target}/etc/layer-2`)).toBe(true);
    expect(image.layers.map(({ digest }) => countFetches(mirror, digest))).toEqual([1, 1, 1]);
    expect(bed.proxy.requests).toEqual([]);
  });

  it('takes a layer that the mirror has wrong from the registry, and says so', async () => {
    const wrong = image.layers[1]?.digest ?? '';
    mirror.setRules([{ path: wrong, alteration: { kind: 'flip', at: 30 } }]);
    const { answer, target } = await pull(conf());
    expect(answer.error).toBeUndefined();
    expect(mirror.alteredCount).toBe(1);
    expect(countFetches(bed.proxy, wrong)).toBe(1);
    expect(existsSync(`${target}/etc/layer-2`)).toBe(true);
    expect(answer.result['warnings']).toEqual([
      expect.stringContaining(`skipped ${mirror.host}/team/app (sent wrong bytes): BLOB_DIGEST_MISMATCH: `),
    ]);
    expect(answer.stderr.match(/sent wrong bytes/g)).toHaveLength(1);
  });

  it('refuses what is blocked with the exit code of a denial, and asks nobody', async () => {
    const { answer } = await pull(conf('blocked = true'));
    expect([answer.code, answer.error?.code]).toEqual([3, 'REGISTRY_BLOCKED']);
    expect([mirror.requests, bed.proxy.requests]).toEqual([[], []]);
  });

  it('shows a client certificate with --cert-dir', async () => {
    const inspect = ['inspect', `${front.host}/team/app:latest`, '--registries-conf-d', bed.scratch.join('conf.d')];
    const shown = await runSealift([...inspect, '--cert-dir', bed.scratch.join('certs')]);
    expect(shown.error).toBeUndefined();
    const config = bed.newPath('impatient.toml');
    writeFileSync(config, '[pull.limits]\nmax_tries = 1');
    expect((await runSealift([...inspect, '-c', config])).error?.code).toBe('HTTP_UNAVAILABLE');
  });
});
