import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../src/errors/index.ts';
import {
  chainIds,
  type Digest,
  hashBytes,
  type ImageManifest,
  matchDiffIds,
  parseDigest,
  parseImageConfig,
} from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

const FULL = {
  created: '2026-01-01T00:00:00Z',
  author: 'someone',
  architecture: 'arm64',
  variant: 'v8',
  os: 'linux',
  'os.version': '6.1',
  'os.features': ['f'],
  rootfs: { type: 'layers', diff_ids: [hashBytes('one'), hashBytes('two')] },
  config: {
    User: 'app:app',
    Env: ['PATH=/bin', 'EMPTY='],
    Entrypoint: ['/bin/app'],
    Cmd: ['--serve'],
    WorkingDir: '/srv',
    Labels: { 'org.example': 'x' },
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    Volumes: { '/data': {} },
    StopSignal: 'SIGINT',
    OpenStdin: false,
  },
  history: [{ created_by: 'RUN x', empty_layer: true }],
};

// biome-ignore lint/suspicious/noExplicitAny: tests break documents in ways that no type allows
type Json = any;

function broken(change: (document: Json) => void): Uint8Array {
  const document: Json = structuredClone(FULL);
  change(document);
  return bytes(document);
}

describe('parseImageConfig', () => {
  it('reads every member that is used', () => {
    expect(parseImageConfig(bytes(FULL))).toEqual({
      os: 'linux',
      architecture: 'arm64',
      variant: 'v8',
      author: 'someone',
      created: '2026-01-01T00:00:00Z',
      osVersion: '6.1',
      osFeatures: ['f'],
      rootfs: { diffIds: [hashBytes('one'), hashBytes('two')] },
      config: {
        user: 'app:app',
        env: ['PATH=/bin', 'EMPTY='],
        entrypoint: ['/bin/app'],
        cmd: ['--serve'],
        workingDir: '/srv',
        labels: { 'org.example': 'x' },
        exposedPorts: ['80/tcp', '53/udp'],
        volumes: ['/data'],
        stopSignal: 'SIGINT',
      },
    });
  });

  it.each<[string, (document: Json) => unknown]>([
    ['no config', (d) => delete d.config],
    ['a config that is null', (d) => (d.config = null)],
    ['an empty config', (d) => (d.config = {})],
    [
      'null for every member',
      (d) => (d.config = Object.fromEntries(Object.keys(FULL.config).map((key) => [key, null]))),
    ],
  ])('takes %s as empty', (_, change) => {
    const { config } = parseImageConfig(broken(change));
    expect(config).toEqual({
      user: '',
      env: [],
      entrypoint: [],
      cmd: [],
      workingDir: '',
      labels: {},
      exposedPorts: [],
      volumes: [],
      stopSignal: undefined,
    });
  });

  it.each<[string, (document: Json) => unknown]>([
    ['no rootfs', (d) => delete d.rootfs],
    ['a rootfs that is null', (d) => (d.rootfs = null)],
    ['an empty rootfs', (d) => (d.rootfs = {})],
    ['a rootfs that is the zero value of Go', (d) => (d.rootfs = { type: '', diff_ids: null })],
    ['no diff_ids', (d) => delete d.rootfs.diff_ids],
    ['diff_ids that are null', (d) => (d.rootfs.diff_ids = null)],
    ['diff_ids and a history that are null', (d) => Object.assign(d, { rootfs: { diff_ids: null }, history: null })],
  ])('takes %s as no layers', (_, change) => {
    expect(parseImageConfig(broken(change)).rootfs).toEqual({ diffIds: [] });
  });

  it('takes empty and null texts as absent', () => {
    const raw = broken((d) => Object.assign(d, { variant: '', author: '', created: null, 'os.features': null }));
    expect(parseImageConfig(raw)).toMatchObject({
      variant: undefined,
      author: undefined,
      created: undefined,
      osFeatures: [],
    });
  });

  it('keeps labels with every key, and without prototype', () => {
    const raw = Buffer.from(JSON.stringify(FULL).replace('"org.example":"x"', '"__proto__":"p","constructor":"c"'));
    const { labels } = parseImageConfig(raw).config;
    expect(Object.entries(labels)).toEqual([
      ['__proto__', 'p'],
      ['constructor', 'c'],
    ]);
    expect(Object.getPrototypeOf(labels)).toBeNull();
  });

  it.each<[string, (document: Json) => void]>([
    ['absent', (d) => delete d.os && delete d.architecture],
    ['null', (d) => Object.assign(d, { os: null, architecture: null })],
    ['empty', (d) => Object.assign(d, { os: '', architecture: '' })],
  ])('reads os and architecture that are %s as empty', (_, change) => {
    expect(parseImageConfig(broken(change))).toMatchObject({ os: '', architecture: '' });
  });

  it.each<[string, ErrorCode, (document: Json) => unknown]>([
    ['an os that is a number', 'CONFIG_INVALID', (d) => (d.os = 1)],
    ['an architecture that is a list', 'CONFIG_INVALID', (d) => (d.architecture = ['amd64'])],
    ['a rootfs that is a list', 'CONFIG_INVALID', (d) => (d.rootfs = [])],
    ['an empty rootfs of another type', 'CONFIG_INVALID', (d) => (d.rootfs = { type: 'other', diff_ids: null })],
    ['a rootfs of another type', 'CONFIG_INVALID', (d) => (d.rootfs.type = 'layers+base')],
    ['a rootfs without type', 'CONFIG_INVALID', (d) => delete d.rootfs.type],
    ['diff_ids that are a text', 'CONFIG_INVALID', (d) => (d.rootfs.diff_ids = 'x')],
    ['a diff_id that is a number', 'CONFIG_INVALID', (d) => (d.rootfs.diff_ids[0] = 1)],
    ['a diff_id that walks up', 'DIGEST_INVALID', (d) => (d.rootfs.diff_ids[0] = 'sha256:../../x')],
    ['an upper-case diff_id', 'DIGEST_INVALID', (d) => (d.rootfs.diff_ids[0] = `sha256:${'A'.repeat(64)}`)],
    ['Diff_IDs beside diff_ids', 'CONFIG_INVALID', (d) => (d.rootfs.Diff_IDs = [])],
    ['RootFS beside rootfs', 'CONFIG_INVALID', (d) => (d.RootFS = {})],
    ['env beside Env', 'CONFIG_INVALID', (d) => (d.config.env = [])],
    ['a config that is a list', 'CONFIG_INVALID', (d) => (d.config = [])],
    ['an Env that is a text', 'CONFIG_INVALID', (d) => (d.config.Env = 'A=b')],
    ['a NUL in Env', 'CONFIG_INVALID', (d) => (d.config.Env = ['A=b\0C=d'])],
    ['a NUL in Cmd', 'CONFIG_INVALID', (d) => (d.config.Cmd = ['a\0'])],
    ['a NUL in WorkingDir', 'CONFIG_INVALID', (d) => (d.config.WorkingDir = '/a\0')],
    ['an Entrypoint with a number', 'CONFIG_INVALID', (d) => (d.config.Entrypoint = [1])],
    ['a User that is a number', 'CONFIG_INVALID', (d) => (d.config.User = 0)],
    ['Labels that are a list', 'CONFIG_INVALID', (d) => (d.config.Labels = [])],
    ['a label that is a number', 'CONFIG_INVALID', (d) => (d.config.Labels = { a: 1 })],
    ['ExposedPorts that are a list', 'CONFIG_INVALID', (d) => (d.config.ExposedPorts = ['80'])],
    ['Volumes that are a text', 'CONFIG_INVALID', (d) => (d.config.Volumes = '/data')],
  ])('refuses %s', async (_, code, change) => {
    await expectFailure(code, () => parseImageConfig(broken(change)));
  });

  it.each<[string, ErrorCode, string]>([
    ['a duplicate key', 'JSON_INVALID', '{"os":"linux","os":"linux"}'],
    ['trailing data', 'JSON_INVALID', `${JSON.stringify(FULL)}x`],
    ['the config of a Helm chart', 'CONFIG_INVALID', '{"name":"chart","version":"1"}'],
    ['a list', 'CONFIG_INVALID', '[]'],
    ['null', 'CONFIG_INVALID', 'null'],
  ])('refuses %s', async (_, code, text) => {
    await expectFailure(code, () => parseImageConfig(Buffer.from(text)));
  });
});

describe('matchDiffIds', () => {
  const config = parseImageConfig(bytes(FULL));
  const descriptor = (name: string) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: hashBytes(name),
    size: 1,
    annotations: {},
    platform: undefined,
  });
  const manifest = (...layers: string[]): ImageManifest => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('config'),
    layers: layers.map(descriptor),
    annotations: {},
  });

  it('pairs layers and diffIDs in order', () => {
    expect(matchDiffIds(manifest('a', 'b'), config)).toEqual([
      { descriptor: descriptor('a'), diffId: hashBytes('one') },
      { descriptor: descriptor('b'), diffId: hashBytes('two') },
    ]);
  });

  it.each([
    ['fewer layers', ['a']],
    ['more layers', ['a', 'b', 'c']],
    ['no layers', []],
  ])('refuses %s than diffIDs', async (_, layers) => {
    const error = await expectFailure('CONFIG_INVALID', () => matchDiffIds(manifest(...layers), config));
    expect(error.context).toEqual({ expected: layers.length, actual: 2 });
  });
});

describe('chainIds', () => {
  // Computed with `printf '%s %s' A B | sha256sum` over sha256 of "one", "two" and "three".
  it('hashes each diffID upon the chain below', () => {
    const diffIds: Digest[] = ['one', 'two', 'three'].map((name) => hashBytes(name));
    expect(chainIds(diffIds)).toEqual([
      hashBytes('one'),
      parseDigest('sha256:ee90d7132b9e9a049b7b0a88db345ca31fb5e8a74a5ee57210478a9a2522d499'),
      parseDigest('sha256:bda931dfb05a05b2b515a117925fb63136f30ff08f5b2a4f79da3507a55580b3'),
    ]);
    expect(chainIds([])).toEqual([]);
  });
});
