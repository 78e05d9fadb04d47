import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { composeDaemon, type DaemonServices } from '../../../src/compose-daemon.ts';
import { resolveDaemonConfiguration } from '../../../src/config/index.ts';
import { SILENT_LOGGER } from '../../../src/log/index.ts';
import { mustRun } from '../../support/commands.ts';
import { expectFailure } from '../../support/matchers.ts';
import { unmountBelow } from '../../support/mounts.ts';
import { describeWith } from '../../support/needs.ts';
import { PullBed, type ServedImage } from '../../support/pull-bed.ts';
import { startTamperProxy, type TamperProxy } from '../../support/tamper-proxy.ts';
import { dir, file } from '../../support/tar-builder.ts';

const NEVER = new AbortController().signal;

/** The daemon without its sockets, its memory a tmpfs of the test's own, and a mirror before the one registry. */
describeWith(['root'], 'mirrors of the daemon', () => {
  let bed: PullBed;
  let mirror: TamperProxy;
  let image: ServedImage;
  let daemon: DaemonServices | undefined;
  let bundles = 0;

  beforeEach(async () => {
    bed = await PullBed.open();
    mkdirSync(bed.path('memory'));
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=256m,mode=0700', 'tmpfs', bed.path('memory')]);
    mkdirSync(bed.path('bundles'));
    image = bed.serveImage([[dir('./'), file('who', 'me')]], { tag: 'latest' });
    // Serves the API below a path of its own, as one that has several registries does.
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
    daemon?.stop();
    await unmountBelow(bed.directory);
    await mirror.stop();
    await bed.close();
  });

  function open({ toml = '', pull = '', imagepuller }: { toml?: string; pull?: string; imagepuller?: string }): void {
    const tables = `[store]\nstate = "${bed.path('state')}"\n[api]\nbundle_roots = ["${bed.path('bundles')}"]\n[pull]\n`;
    const configuration = resolveDaemonConfiguration({
      file: { path: 'test.toml', text: `${tables}${pull}\n${toml}` },
      environment: {},
      kernelCommandLine: '',
      imagepuller: imagepuller === undefined ? undefined : { path: 'imagepuller.toml', text: imagepuller },
    });
    daemon = composeDaemon({
      version: 'test',
      log: SILENT_LOGGER,
      configuration: () => configuration,
      failure: () => undefined,
      currentPlace: async () => ({ kind: 'memory', directory: bed.path('memory'), reason: 'test' }),
      reportStall: () => undefined,
      checkpoint: () => undefined,
      measure: async () => {},
    });
  }

  async function pull(imageUrl: string): Promise<string> {
    bundles += 1;
    const bundlePath = bed.path(`bundles/c${bundles}`);
    mkdirSync(bundlePath);
    await daemon?.pulls.pullImage({ imageUrl, bundlePath, requestId: 'r1', signal: NEVER });
    return readFileSync(`${bundlePath}/rootfs/who`, 'utf8');
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
    open({ imagepuller: hostMirror() });
    expect(await pull(bed.reference(image.digest))).toBe('me');
    expect(mirror.requests.length).toBeGreaterThan(3);
    expect(mirror.requests.every(({ status }) => status === 200)).toBe(true);
    expect(bed.registry.requests.length).toBe(mirror.requests.length);
  });

  it('of imagepuller.toml are not asked for a tag, which comes from the registry itself', async () => {
    open({
      pull: 'insecure_policy = true\ntls_verify = false',
      imagepuller: `[registries."${bed.registry.host}"]\nmirror = "${mirror.url}/cache"`,
    });
    expect(await pull(bed.reference('latest'))).toBe('me');
    expect(mirror.requests).toEqual([]);
  });

  it('of imagepuller.toml that send other bytes are passed over', async () => {
    open({ pull: 'tls_verify = false', imagepuller: hostMirror() });
    mirror.setRules([{ path: image.layers[0] ?? '', alteration: { kind: 'flip', at: 30 } }]);
    expect(await pull(bed.reference(image.digest))).toBe('me');
    expect(mirror.alteredCount).toBe(1);
    expect(bed.fetchesOf(image.layers[0] ?? '')).toBe(2);
    expect(readdirSync(bed.path('memory/store/staging'))).toEqual([]);
    expect(readdirSync(bed.path('memory/store/layers'))).toHaveLength(1);
  });

  it('of the measured configuration serve tags as well', async () => {
    open({ pull: 'insecure_policy = true', toml: measured() });
    expect(await pull(bed.reference('latest'))).toBe('me');
    expect(bed.registry.requests.length).toBe(mirror.requests.length);
  });

  it('of the measured configuration are not asked for what it blocks', async () => {
    open({ toml: measured('blocked = true'), imagepuller: hostMirror() });
    await expectFailure('REGISTRY_BLOCKED', () => pull(bed.reference(image.digest)));
    expect([mirror.requests, bed.registry.requests]).toEqual([[], []]);
  });

  it('leave a name without host alone where the configuration searches for it', async () => {
    open({ toml: '[image.registry_config]\nunqualified-search-registries = ["a.invalid"]' });
    await expectFailure('REFERENCE_UNQUALIFIED', () => pull(`app@${image.digest}`));
  });
});
