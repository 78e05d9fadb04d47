import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import { PullBed, type ServedImage } from '../../support/beds/pull-bed.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import type { DaemonSample } from '../../support/daemons/daemon-texts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { startTamperProxy, type TamperProxy } from '../../support/proxies/tamper-proxy.ts';

/** One registry with a mirror that is asked first. */
describeWith(['root'], 'mirrors of the daemon', () => {
  let bed: PullBed;
  let mirror: TamperProxy;
  let image: ServedImage;
  let daemon: DaemonBed;

  beforeEach(async () => {
    bed = await PullBed.open();
    image = bed.serveImage([[dir('./'), file('who', 'me')]], { tag: 'latest' });
    // Serves the API below a path of its own, as a server of several registries does.
    mirror = await startTamperProxy(bed.registry.host, (incoming, outgoing) => {
      const { url = '' } = incoming;
      if (url.startsWith('/cache/') && url.endsWith(`?ns=${encodeURIComponent(bed.registry.host)}`)) {
        incoming.url = url.slice('/cache'.length, url.indexOf('?'));
        return false;
      }
      if (url.startsWith('/v2/')) return false;
      outgoing.writeHead(418).end();
      return true;
    });
  });

  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    await mirror.stop();
  });

  async function open({ pull: settings = '', toml = '', ...rest }: DaemonSample & { pull?: string }): Promise<void> {
    daemon = await DaemonBed.open({ toml: `[pull]\n${settings}\n${toml}`, ...rest }, bed);
  }

  async function pull(imageUrl: string): Promise<string> {
    await daemon.pull(imageUrl);
    return readFileSync(bed.path('bundles/c1/rootfs/who'), 'utf8');
  }

  const hostMirror = () =>
    `[registries."${bed.registry.host}"]\nmirror = "${mirror.url}/cache"\ninsecure-skip-verify = true`;
  const measured = (extra = '') => `
[[image.registry_config.registry]]
location = "${bed.registry.host}"
insecure = true
${extra}
[[image.registry_config.registry.mirror]]
location = "${mirror.host}"
insecure = true
`;

  it('of imagepuller.toml serve what is pinned, under their own path and with the name of the registry', async () => {
    await open({ imagepuller: hostMirror() });
    expect(await pull(bed.reference(image.digest))).toBe('me');
    expect(mirror.requests.length).toBeGreaterThan(3);
    expect(mirror.requests.every(({ status }) => status === 200)).toBe(true);
    expect(bed.registry.requests.length).toBe(mirror.requests.length);
  });

  it('of imagepuller.toml are not asked for a tag, which comes from the registry itself', async () => {
    await open({
      pull: 'insecure_policy = true\ntls_verify = false',
      imagepuller: `[registries."${bed.registry.host}"]\nmirror = "${mirror.url}/cache"`,
    });
    expect(await pull(bed.reference('latest'))).toBe('me');
    expect(mirror.requests).toEqual([]);
  });

  it('of imagepuller.toml that send other bytes are passed over', async () => {
    await open({ pull: 'tls_verify = false', imagepuller: hostMirror() });
    mirror.setRules([{ path: image.layers[0] ?? '', alteration: { kind: 'flip', at: 30 } }]);
    expect(await pull(bed.reference(image.digest))).toBe('me');
    expect(mirror.alteredCount).toBe(1);
    expect(bed.fetchesOf(image.layers[0] ?? '')).toBe(2);
    expect(readdirSync(bed.path('memory/store/staging'))).toEqual([]);
    expect(readdirSync(bed.path('memory/store/layers'))).toHaveLength(1);
  });

  it('of the measured configuration serve tags as well', async () => {
    await open({ pull: 'insecure_policy = true', toml: measured() });
    expect(await pull(bed.reference('latest'))).toBe('me');
    expect(bed.registry.requests.length).toBe(mirror.requests.length);
  });

  it('of the measured configuration are not asked for what it blocks', async () => {
    await open({ toml: measured('blocked = true'), imagepuller: hostMirror() });
    await expectFailure('REGISTRY_BLOCKED', () => pull(bed.reference(image.digest)));
    expect([mirror.requests, bed.registry.requests]).toEqual([[], []]);
  });

  it('leave a name without host alone where the configuration searches for it', async () => {
    await open({ toml: '[image.registry_config]\nunqualified-search-registries = ["a.invalid"]' });
    await expectFailure('REFERENCE_UNQUALIFIED', () => pull(`app@${image.digest}`));
  });
});
