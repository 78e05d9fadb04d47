import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createRuntimeSpec } from '../../../src/bundle/create-runtime-spec.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import type { ImageConfig } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const ROOT = { uid: 0, gid: 0, additionalGids: [], home: undefined };

function image(config: Partial<ImageConfig['config']> = {}, rest: Partial<ImageConfig> = {}): ImageConfig {
  return {
    os: 'linux',
    architecture: 'amd64',
    variant: undefined,
    author: undefined,
    created: undefined,
    osVersion: undefined,
    osFeatures: [],
    rootfs: { diffIds: [] },
    ...rest,
    config: {
      user: '',
      env: [],
      entrypoint: [],
      cmd: [],
      workingDir: '',
      labels: {},
      exposedPorts: [],
      volumes: [],
      stopSignal: undefined,
      ...config,
    },
  };
}

type Options = Parameters<typeof createRuntimeSpec>[0];

function specOf(imageConfig: ImageConfig, user = ROOT as Options['user'], modeOf: Options['modeOf'] = () => undefined) {
  return createRuntimeSpec({ imageConfig, user, rootfsReadonly: false, modeOf, limits: DEFAULT_LIMITS }).spec;
}

function golden(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../testdata/runtime-spec/${name}.json`, import.meta.url), 'utf8'));
}

describe('createRuntimeSpec', () => {
  it('gives an empty config the defaults, as the golden file has them', () => {
    expect(specOf(image())).toEqual(golden('empty-config'));
  });

  it('gives a full config what it says, as the golden file has it', () => {
    const full = image(
      {
        env: ['PATH=/opt/bin', 'A=1', 'A=2', 'EMPTY=', 'EQ=a=b'],
        entrypoint: ['/opt/bin/app', '--serve'],
        cmd: ['--port', '80'],
        workingDir: '/srv/app/',
        labels: { maintainer: 'x', 'org.opencontainers.image.author': 'label wins' },
        exposedPorts: ['80/tcp', '443/tcp'],
        volumes: ['/data', '/proc', '/data/'],
        stopSignal: 'SIGQUIT',
      },
      {
        architecture: 'arm64',
        variant: 'v8',
        author: 'config',
        created: '2024-01-02T03:04:05Z',
        osVersion: '12',
        osFeatures: ['f1', 'f2'],
      },
    );
    const user = { uid: 1000, gid: 1001, additionalGids: [29, 44], home: '/home/app' };
    expect(specOf(full, user)).toEqual(golden('full-config'));
  });

  describe('env', () => {
    const envOf = (env: string[], home?: string) => specOf(image({ env }), { ...ROOT, home }).process.env;

    it('sets PATH and HOME only where the image has none', () => {
      expect(envOf([], '/h')).toEqual(['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/h']);
      expect(envOf(['PATH=', 'HOME=/x'], '/h')).toEqual(['PATH=', 'HOME=/x']);
    });

    it('keeps the last of several values for a name, also for names of Object.prototype', () => {
      const env = ['PATH=/', '__proto__=1', 'constructor=a', 'B=1', '__proto__=2', 'B=2'];
      expect(envOf(env)).toEqual(['PATH=/', 'constructor=a', '__proto__=2', 'B=2']);
    });

    it('refuses a NUL', async () => {
      await expectFailure('CONFIG_INVALID', () => envOf(['A=1\0PATH=/evil']));
    });
  });

  describe('args', () => {
    it.each([
      [['a'], ['b'], ['a', 'b']],
      [['a'], [], ['a']],
      [[], ['b'], ['b']],
      [[], [], ['sh']],
    ])('entrypoint %o and cmd %o run %o', (entrypoint, cmd, args) => {
      expect(specOf(image({ entrypoint, cmd })).process.args).toEqual(args);
    });

    it('refuses a NUL', async () => {
      await expectFailure('CONFIG_INVALID', () => specOf(image({ cmd: ['a', 'b\0c'] })));
    });
  });

  describe('cwd', () => {
    it.each([
      ['', '/'],
      ['/', '/'],
      ['//', '/'],
      ['/srv', '/srv'],
      ['/srv//app/./x/', '/srv/app/x'],
      ['/app/../srv', '/srv'],
      ['/../../srv/.', '/srv'],
      ['/process', '/process'],
      ['/dev/fdx', '/dev/fdx'],
    ])('"%s" becomes "%s"', (workingDir, cwd) => {
      expect(specOf(image({ workingDir })).process.cwd).toBe(cwd);
    });

    it.each([
      'srv',
      './srv',
      '/srv/../proc/self/fd/7',
      '/proc/self/fd/7',
      '//proc//self/fd/8/',
      '/./proc/self/fd/9',
      '/proc',
      '/proc/1/root',
      '/dev/fd/7',
      '/dev//fd',
      '/a\0b',
    ])('refuses "%s" (CVE-2024-21626)', async (workingDir) => {
      await expectFailure('CONFIG_INVALID', () => specOf(image({ workingDir })));
    });
  });

  describe('volumes', () => {
    it('are tmpfs mounts before the default ones, so that the default ones lie on top', () => {
      const { mounts } = specOf(image({ volumes: ['/data', '/dev'] }));
      expect(mounts.slice(0, 2).map((mount) => [mount.destination, mount.type])).toEqual([
        ['/data', 'tmpfs'],
        ['/dev', 'tmpfs'],
      ]);
      expect(mounts.findLastIndex((mount) => mount.destination === '/dev')).toBeGreaterThan(1);
      expect(mounts[0]?.options).toEqual(expect.arrayContaining(['nosuid', 'nodev', 'noexec']));
    });

    it.each([
      ['data', '/data'],
      ['./data/', '/data'],
      ['../x', '/x'],
      ['/a/../b//c', '/b/c'],
    ])('"%s" is the path "%s"', (volume, destination) => {
      expect(specOf(image({ volumes: [volume, destination] })).mounts[0]?.destination).toBe(destination);
      expect(specOf(image({ volumes: [volume, destination] })).mounts[1]?.destination).toBe('/proc');
    });

    it('have what the image has there, with its owner and permissions', () => {
      const modeOf = (path: string) => (path === '/known' ? { uid: 999, gid: 998, mode: 0o1750 } : undefined);
      const { mounts } = specOf(image({ volumes: ['/known', '/other'] }), ROOT, modeOf);
      expect(mounts[0]?.options.slice(-4)).toEqual(['tmpcopyup', 'mode=1750', 'uid=999', 'gid=998']);
      expect(mounts[1]?.options.slice(-1)).toEqual(['tmpcopyup']);
    });

    it.each(['', '/', '//', '/a/../..', '..', '/a\0'])('refuses "%s"', async (volume) => {
      await expectFailure('CONFIG_INVALID', () => specOf(image({ volumes: [volume] })));
    });

    it('refuses more than the limit', async () => {
      const volumes = (count: number) => image({ volumes: Array.from({ length: count }, (_, n) => `/v${n}`) });
      expect(specOf(volumes(DEFAULT_LIMITS.maxVolumes)).mounts.length).toBeGreaterThan(DEFAULT_LIMITS.maxVolumes);
      await expectFailure('CONFIG_INVALID', () => specOf(volumes(DEFAULT_LIMITS.maxVolumes + 1)));
    });
  });

  describe('annotations', () => {
    it.each([
      'io.katacontainers.config.hypervisor.kernel_params',
      'io.kubernetes.cri.sandbox-id',
      'io.kubernetes.cri-o.userns-mode',
      'cdi.k8s.io/vendor',
      'nvidia.cdi.k8s.io/gpu',
      'containerd.io/restart.policy',
      'io.containerd.runc.v2.group',
      'run.oci.hooks.stderr',
      'run.oci.handler',
      'org.systemd.property.ExecStart',
      'org.criu.config',
      'dev.gvisor.flag.debug',
      'module.wasm.image/variant',
      'krun.cpus',
      'cpu-quota.crio.io',
      'io.containers.trace-syscall',
      'IO.Katacontainers.config.x',
    ])('the label %s never becomes one (CVE-2026-53488, CVE-2026-53492)', (label) => {
      const imageConfig = image({ labels: { [label]: 'evil', kept: 'yes' } });
      const { spec, strippedLabels } = createRuntimeSpec({
        imageConfig,
        user: ROOT,
        rootfsReadonly: false,
        modeOf: () => undefined,
        limits: DEFAULT_LIMITS,
      });
      expect(Object.keys(spec.annotations)).not.toContain(label);
      expect(spec.annotations['kept']).toBe('yes');
      expect(strippedLabels).toEqual([label]);
    });

    it.each(['io.katacontainersx.y', 'my.run.oci.x', 'maintainer', 'org.opencontainers.image.source', 'crio.io.x'])(
      'the label %s stays one',
      (label) => {
        expect(specOf(image({ labels: { [label]: 'v' } })).annotations[label]).toBe('v');
      },
    );

    it('labels win over what the config implies, exposed ports too', () => {
      const { annotations } = specOf(
        image({ exposedPorts: ['80/tcp'], labels: { 'org.opencontainers.image.exposedPorts': 'mine' } }),
      );
      expect(annotations['org.opencontainers.image.exposedPorts']).toBe('mine');
    });

    it('a label __proto__ is a label and changes no prototype', () => {
      const labels = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>;
      const { annotations } = specOf(image({ labels }));
      expect(JSON.parse(JSON.stringify(annotations))).toHaveProperty(['constructor'], 'y');
      expect(JSON.stringify(annotations)).toContain('"__proto__":"x"');
      expect(Object.getPrototypeOf(annotations)).toBe(Object.prototype);
    });
  });

  it('refuses an image for another operating system', async () => {
    await expectFailure('MANIFEST_UNSUPPORTED', () => specOf(image({}, { os: 'windows' })));
  });

  it('writes a read-only root where asked', () => {
    const { spec } = createRuntimeSpec({
      imageConfig: image(),
      user: ROOT,
      rootfsReadonly: true,
      modeOf: () => undefined,
      limits: DEFAULT_LIMITS,
    });
    expect(spec.root).toEqual({ path: 'rootfs', readonly: true });
  });
});
