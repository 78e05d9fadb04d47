import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBundleOperations, type PreparedBundle } from '../../../src/bundle/index.ts';
import type { WrittenBundle } from '../../../src/bundle/types.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type ImageConfig, parseImageConfig } from '../../../src/oci/index.ts';
import { unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { runBundle } from '../../support/oracles/crun.ts';

const CONFIG: Record<string, unknown> = {
  Env: ['GREETING=hello'],
  Entrypoint: ['/bin/busybox', 'sh', '-c'],
  Cmd: ['echo $GREETING $HOME $(id -u):$(id -g) $(id -G) $(pwd) $(hostname); mount'],
  WorkingDir: '/srv',
  User: 'app',
  Volumes: { '/data': {} },
  Labels: { 'run.oci.handler': 'wasm' },
};

function imageConfig(config: Record<string, unknown> = CONFIG): ImageConfig {
  const document = { os: 'linux', architecture: 'amd64', config, rootfs: { type: 'layers', diff_ids: [] } };
  return parseImageConfig(Buffer.from(JSON.stringify(document)));
}

const operations = createBundleOperations();

let scratch: Scratch;
let directory: string;

function prepare(path = directory): PreparedBundle {
  return operations.prepare({ bundle: operations.claim({ directory: path }) });
}

function write(bundle: PreparedBundle, config = imageConfig()): WrittenBundle {
  return operations.write({ bundle, imageConfig: config, rootfsReadonly: false, limits: DEFAULT_LIMITS });
}

function fill(rootfs: string): void {
  for (const name of ['etc', 'srv', 'bin']) mkdirSync(`${rootfs}/${name}`);
  writeFileSync(`${rootfs}/etc/passwd`, 'root:x:0:0::/root:\napp:x:1000:1001::/home/app:\n');
  writeFileSync(`${rootfs}/etc/group`, 'app:x:1001:\naudio:x:29:app\n');
}

beforeEach(() => {
  scratch = new Scratch('bundle');
  directory = scratch.join('parent', 'app');
});

afterEach(async () => {
  await unmountBelow(scratch.path);
  scratch[Symbol.dispose]();
});

describe('prepare', () => {
  it('makes DIR and DIR/rootfs for the owner only, whatever the umask is', () => {
    const umask = process.umask(0);
    try {
      const bundle = prepare();
      expect(bundle).toMatchObject({ directory, rootfs: `${directory}/rootfs`, created: true });
    } finally {
      process.umask(umask);
    }
    expect(statSync(directory).mode & 0o7777).toBe(0o700);
    expect(statSync(`${directory}/..`).mode & 0o022).toBe(0);
    expect(readdirSync(directory)).toEqual(['rootfs']);
  });

  it('takes an existing directory, with other files and an empty rootfs in it', () => {
    mkdirSync(`${directory}/rootfs`, { recursive: true });
    writeFileSync(`${directory}/other`, '');
    expect(prepare().created).toBe(false);
    expect(readdirSync(directory).sort()).toEqual(['other', 'rootfs']);
  });

  it('takes away what a pull that died has left of a config.json, and nothing that looks like it', () => {
    mkdirSync(directory, { recursive: true });
    for (const name of ['.config.json.0123456789abcdef', '.config.json.mine'])
      writeFileSync(`${directory}/${name}`, '');
    prepare();
    expect(readdirSync(directory).sort()).toEqual(['.config.json.mine', 'rootfs']);
  });

  it('follows links above DIR, so that mounts are found under their real path', () => {
    mkdirSync(scratch.join('real'));
    symlinkSync('real', scratch.join('link'));
    expect(prepare(scratch.join('link', 'app')).directory).toBe(scratch.join('real', 'app'));
  });

  it.each<[string, () => void]>([
    ['a file', () => writeFileSync(directory, '')],
    ['a link to a directory', () => symlinkSync(scratch.path, directory)],
    ['a dangling link', () => symlinkSync('nowhere', directory)],
    ['a directory that others write to', () => makeDirectory(0o777)],
    ['a directory that its group writes to', () => makeDirectory(0o770)],
    ['a directory with a config.json', () => writeFileSync(`${makeDirectory()}/config.json`, '{}')],
    ['a directory with a linked config.json', () => symlinkSync('x', `${makeDirectory()}/config.json`)],
    ['a rootfs that is a link', () => symlinkSync('..', `${makeDirectory()}/rootfs`)],
    ['a rootfs that is a file', () => writeFileSync(`${makeDirectory()}/rootfs`, '')],
    ['a rootfs with files', () => mkdirSync(`${makeDirectory()}/rootfs/etc`, { recursive: true })],
  ])('refuses %s and changes nothing', async (_, arrange) => {
    mkdirSync(scratch.join('parent'));
    arrange();
    const before = readdirSync(scratch.path, { recursive: true });
    await expectFailure('BUNDLE_INVALID', () => prepare());
    expect(readdirSync(scratch.path, { recursive: true })).toEqual(before);
  });
});

function makeDirectory(mode = 0o755): string {
  mkdirSync(directory);
  chmodSync(directory, mode);
  return directory;
}

describe('prepare: a bundle that its runtime has made', () => {
  const root = () => scratch.join('parent');
  const prepareGiven = (path = directory, roots: readonly string[] = [root()]) =>
    operations.prepare({ bundle: operations.claim({ directory: path, given: { roots } }) });

  it('takes it with the config.json of its runtime, which nothing writes or removes', () => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(`${directory}/config.json`, 'theirs');
    const bundle = prepareGiven();
    expect(bundle).toMatchObject({ directory, rootfs: `${directory}/rootfs`, created: false, hasConfig: true });
    fill(bundle.rootfs);
    write(bundle);
    expect(readFileSync(`${directory}/config.json`, 'utf8')).toBe('theirs');
    rmSync(bundle.rootfs, { recursive: true });
    mkdirSync(bundle.rootfs);
    operations.remove({ directory, keepConfig: true });
    expect(readdirSync(directory)).toEqual(['config.json']);
  });

  it('writes the config.json that its runtime has not', () => {
    mkdirSync(directory, { recursive: true });
    const bundle = prepareGiven();
    fill(bundle.rootfs);
    write(bundle);
    expect(JSON.parse(readFileSync(`${directory}/config.json`, 'utf8'))).toHaveProperty('ociVersion');
  });

  it('does not make one that is missing', async () => {
    mkdirSync(root());
    await expectFailure('BUNDLE_INVALID', () => prepareGiven());
    expect(existsSync(directory)).toBe(false);
  });

  it('says which setting a directory elsewhere needs', async () => {
    mkdirSync(directory, { recursive: true });
    const { hint } = await expectFailure('BUNDLE_INVALID', () => prepareGiven(directory, [scratch.join('other')]));
    expect(hint).toBe('add a directory above it to api.bundle_roots');
  });

  it.each<[string, () => unknown]>([
    ['that is the root itself', () => prepareGiven(root())],
    ['that lies elsewhere', () => prepareGiven(directory, [scratch.join('other')])],
    ['beside a root whose name its own begins with', () => prepareGiven(directory, [scratch.join('par')])],
    ['with dots in its path', () => prepareGiven(`${root()}/x/../app`)],
    ['with a slash at its end', () => prepareGiven(`${directory}/`)],
    ['with a relative path', () => prepareGiven('app')],
    ['with a NUL in its path', () => prepareGiven(`${directory}\0/x`)],
    ['with a name that no file system holds', () => prepareGiven(`${directory}/${'x'.repeat(256)}`)],
    ['behind a link that leads out of the root', () => prepareGiven(`${root()}/link/app`)],
  ])('refuses one %s, and makes nothing', async (_, attempt) => {
    mkdirSync(directory, { recursive: true });
    mkdirSync(scratch.join('outside', 'app'), { recursive: true });
    symlinkSync(scratch.join('outside'), `${root()}/link`);
    await expectFailure('BUNDLE_INVALID', attempt);
    expect(readdirSync(directory)).toEqual([]);
    expect(readdirSync(scratch.join('outside', 'app'))).toEqual([]);
  });

  it('takes one behind a root that is a link itself', () => {
    mkdirSync(directory, { recursive: true });
    symlinkSync(root(), scratch.join('run'));
    const bundle = prepareGiven(scratch.join('run', 'app'), [scratch.join('run')]);
    expect(bundle).toMatchObject({ directory });
  });
});

describe('write', () => {
  it('writes config.json for its owner only, with the user of the rootfs, and nothing beside it', () => {
    const bundle = prepare();
    fill(bundle.rootfs);
    expect(write(bundle)).toEqual({
      user: { uid: 1000, gid: 1001, additionalGids: [29], home: '/home/app' },
      strippedLabels: ['run.oci.handler'],
      madeConfig: expect.stringMatching(/^\d+:\d+:\d+$/),
    });
    expect(statSync(`${directory}/config.json`).mode & 0o7777).toBe(0o600);
    expect(readdirSync(directory).sort()).toEqual(['config.json', 'rootfs']);
    const spec = JSON.parse(readFileSync(`${directory}/config.json`, 'utf8'));
    expect(spec.process.user).toEqual({ uid: 1000, gid: 1001, additionalGids: [29] });
    expect(spec.process.env).toContain('HOME=/home/app');
  });

  it('refuses a working directory that a link of the image leads to the descriptors of the runtime', async () => {
    const bundle = prepare();
    fill(bundle.rootfs);
    symlinkSync('/proc/self/fd', `${bundle.rootfs}/app-link`);
    const config = imageConfig({ ...CONFIG, WorkingDir: '/app-link/7' });
    await expectFailure('CONFIG_INVALID', () => write(bundle, config));
    expect(readdirSync(directory)).toEqual(['rootfs']);
  });

  it('replaces no config.json that came meanwhile', async () => {
    const bundle = prepare();
    writeFileSync(`${directory}/config.json`, 'other');
    await expectFailure('BUNDLE_INVALID', () => write(bundle, imageConfig({})));
    expect(readFileSync(`${directory}/config.json`, 'utf8')).toBe('other');
    expect(readdirSync(directory).sort()).toEqual(['config.json', 'rootfs']);
  });

  it.each<[string, () => void]>([
    ['removed', () => rmSync(directory, { recursive: true })],
    [
      'replaced',
      () => {
        renameSync(directory, `${directory}-away`);
        mkdirSync(`${directory}/rootfs`, { recursive: true });
      },
    ],
    [
      'made again',
      () => {
        rmSync(directory, { recursive: true });
        mkdirSync(`${directory}/rootfs`, { recursive: true });
      },
    ],
  ])('writes nothing into a directory that was %s', async (_, change) => {
    const bundle = prepare();
    change();
    await expectFailure('BUNDLE_INVALID', () => write(bundle, imageConfig({})));
    expect(existsSync(`${directory}/config.json`)).toBe(false);
  });

  it.each([
    ['an unknown user', { User: 'nobody' }, 'BUNDLE_USER_INVALID'],
    ['a user whose passwd leads out of the rootfs', { User: 'sentinel' }, 'BUNDLE_USER_INVALID'],
    ['a working directory in /proc', { WorkingDir: '/proc/self/fd/3' }, 'CONFIG_INVALID'],
  ] as const)('leaves no config.json after %s', async (_, config, code) => {
    const bundle = prepare();
    fill(bundle.rootfs);
    writeFileSync(scratch.join('passwd'), 'sentinel:x:0:0::/:');
    rmSync(`${bundle.rootfs}/etc/passwd`);
    symlinkSync('../../../passwd', `${bundle.rootfs}/etc/passwd`);
    await expectFailure(code, () => write(bundle, imageConfig(config)));
    expect(readdirSync(directory)).toEqual(['rootfs']);
  });
});

describe('examine and remove', () => {
  it('take away what was made and leave DIR with the files of others', () => {
    const bundle = prepare();
    writeFileSync(`${directory}/other`, '');
    writeFileSync(`${directory}/.config.json.0123456789abcdef`, 'of an interrupted write');
    write(bundle, imageConfig({}));
    const examined = operations.examine({ directory });
    expect(examined).toMatchObject({ directory, rootfs: bundle.rootfs, mountPoints: [] });
    operations.remove({ directory });
    expect(readdirSync(directory)).toEqual(['other']);
  });

  it('make the directory fit for the next pull', () => {
    write(prepare(), imageConfig({}));
    operations.remove({ directory });
    expect(prepare().created).toBe(false);
  });

  it.each<[string, () => void]>([
    ['a missing directory', () => undefined],
    [
      'a directory without rootfs, whose config.json is not ours',
      () => writeFileSync(`${makeDirectory()}/config.json`, '{}'),
    ],
    ['a rootfs that is a link', () => symlinkSync('..', `${makeDirectory()}/rootfs`)],
    [
      'a rootfs with files and no mount',
      () => {
        mkdirSync(`${directory}/rootfs/etc`, { recursive: true });
        writeFileSync(`${directory}/config.json`, '{}');
      },
    ],
  ])('refuse %s and remove nothing', async (_, arrange) => {
    mkdirSync(scratch.join('parent'));
    arrange();
    const before = readdirSync(scratch.path, { recursive: true });
    const { hint } = await expectFailure('BUNDLE_INVALID', () => operations.remove({ directory }));
    expect(hint).toContain('name the directory of a bundle');
    expect(hint).not.toContain('wait for');
    expect(readdirSync(scratch.path, { recursive: true })).toEqual(before);
  });
});

describe('abandon', () => {
  it('removes all that the pull has made', () => {
    const bundle = prepare();
    writeFileSync(`${directory}/.config.json.0123456789abcdef`, 'half');
    const { madeConfig } = write(bundle, imageConfig({}));
    operations.abandon({ bundle, madeConfig });
    expect(existsSync(directory)).toBe(false);
  });

  it.each<[string, () => void, readonly string[]]>([
    ['the directory and the rootfs that were there', () => mkdirSync(`${directory}/rootfs`), ['rootfs']],
    ['the directory that was there', () => undefined, []],
    ['other files', () => writeFileSync(`${directory}/other`, ''), ['other']],
  ])('leaves %s', (_, arrange, left) => {
    mkdirSync(directory, { recursive: true });
    arrange();
    operations.abandon({ bundle: prepare() });
    expect(readdirSync(directory)).toEqual(left);
  });

  it('leaves a config.json that the pull has not written', async () => {
    const bundle = prepare();
    writeFileSync(`${directory}/config.json`, 'theirs');
    await expectFailure('BUNDLE_INVALID', () => write(bundle, imageConfig({})));
    operations.abandon({ bundle });
    expect(readdirSync(directory)).toEqual(['config.json']);
    expect(readFileSync(`${directory}/config.json`, 'utf8')).toBe('theirs');
  });

  it('leaves a config.json that replaced the one of the pull', () => {
    const bundle = prepare();
    const { madeConfig } = write(bundle, imageConfig({}));
    writeFileSync(`${directory}/new`, 'theirs');
    renameSync(`${directory}/new`, `${directory}/config.json`);
    operations.abandon({ bundle, madeConfig });
    expect(readFileSync(`${directory}/config.json`, 'utf8')).toBe('theirs');
  });

  it('leaves a rootfs that replaced the one of the pull', () => {
    const bundle = prepare();
    renameSync(bundle.rootfs, scratch.join('away'));
    mkdirSync(bundle.rootfs);
    operations.abandon({ bundle });
    expect(readdirSync(directory)).toEqual(['rootfs']);
  });

  it('leaves a directory that replaced the one of the pull', () => {
    const bundle = prepare();
    renameSync(directory, scratch.join('away'));
    mkdirSync(`${directory}/rootfs`, { recursive: true });
    operations.abandon({ bundle });
    expect(readdirSync(directory)).toEqual(['rootfs']);
  });

  it('refuses a rootfs that has files by now', async () => {
    const bundle = prepare();
    writeFileSync(`${bundle.rootfs}/file`, '');
    await expectFailure('BUNDLE_INVALID', () => operations.abandon({ bundle }));
    expect(readdirSync(bundle.rootfs)).toEqual(['file']);
  });
});

describe('a path at which no bundle can be', () => {
  it.each(['file', 'file/below', 'x'.repeat(300)])('is refused with a hint of its own: %s', async (name) => {
    writeFileSync(scratch.join('file'), '');
    const made = await expectFailure('BUNDLE_INVALID', () => operations.claim({ directory: scratch.join(name) }));
    expect(made.hint).toContain('name a directory that does not exist yet');
    const examined = await expectFailure('BUNDLE_INVALID', () => operations.examine({ directory: scratch.join(name) }));
    expect(examined.hint).toContain('name the directory of a bundle');
  });
});

describeWith(['root'], 'a file system in which nothing can be made', () => {
  it.each([
    ['procfs', '/proc/sealift/bundle', 'ENOENT'],
    ['one that is read-only', 'fixed/above/bundle', 'EROFS'],
  ])('is named by its errno: %s', async (_, name, errno) => {
    mkdirSync(scratch.join('fixed'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', scratch.join('fixed')]);
    const path = name.startsWith('/') ? name : scratch.join(name);
    const error = await expectFailure('BUNDLE_INVALID', () => operations.claim({ directory: path }));
    expect(error.message).toContain(errno);
  });
});

describeWith(['root'], 'a bundle with a mounted rootfs', () => {
  it('is refused by prepare and remove, and examined with its mounts', async () => {
    const path = scratch.join('with space\\and\ttab');
    const bundle = prepare(path);
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', bundle.rootfs]);
    mkdirSync(`${bundle.rootfs}/below`);
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', `${bundle.rootfs}/below`]);
    await expectFailure('BUNDLE_INVALID', () => prepare(path));
    await expectFailure('BUNDLE_INVALID', () => operations.remove({ directory: path }));
    const mountPoints = [`${bundle.rootfs}/below`, bundle.rootfs];
    const examined = operations.examine({ directory: path });
    expect(examined).toMatchObject({ mountPoints });
    for (const mountPoint of mountPoints) execFileSync('umount', [mountPoint]);
    operations.remove({ directory: path });
    expect(readdirSync(path)).toEqual([]);
  });

  it('of another user is refused', async () => {
    execFileSync('install', ['-d', '-o', '1234', directory]);
    await expectFailure('BUNDLE_INVALID', () => prepare());
  });
});

describeWith(['root', 'crun', 'busybox', 'unshare'], 'crun', () => {
  it('starts the bundle as the image says', async () => {
    const bundle = prepare();
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', bundle.rootfs]);
    fill(bundle.rootfs);
    execFileSync('cp', ['/bin/busybox', `${bundle.rootfs}/bin/busybox`]);
    const config = { ...CONFIG, Env: [...(CONFIG['Env'] as string[]), 'PATH=/bin'] };
    for (const applet of ['sh', 'id', 'mount', 'hostname', 'pwd']) {
      symlinkSync('busybox', `${bundle.rootfs}/bin/${applet}`);
    }
    write(bundle, imageConfig(config));
    const { code, stdout, stderr } = await runBundle(bundle.directory);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const [first, ...mounts] = stdout.toString().split('\n');
    expect(first).toBe('hello /home/app 1000:1001 1001 29 /srv sealift');
    expect(mounts.find((line) => line.includes(' on /data '))).toMatch(/type tmpfs \(rw,nosuid,nodev,noexec/);
    expect(mounts.find((line) => line.includes(' on /sys '))).toContain('ro');
  });

  it('finds what the image has below its volumes there, writable for the owner of the directory', async () => {
    const bundle = prepare();
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', bundle.rootfs]);
    fill(bundle.rootfs);
    execFileSync('cp', ['/bin/busybox', `${bundle.rootfs}/bin/busybox`]);
    mkdirSync(`${bundle.rootfs}/srv/data/sub`, { recursive: true });
    writeFileSync(`${bundle.rootfs}/srv/data/sub/seed`, 'of the image');
    chownSync(`${bundle.rootfs}/srv/data`, 1000, 1001);
    chmodSync(`${bundle.rootfs}/srv/data`, 0o750);
    symlinkSync('/srv/data', `${bundle.rootfs}/linked`);
    const script = 'cd /linked; B=/bin/busybox; $B cat sub/seed; $B stat -c " %u:%g %a" .; echo new > own; $B cat own';
    const config = { Entrypoint: ['/bin/busybox', 'sh', '-c'], Cmd: [script], User: 'app', Volumes: { linked: {} } };
    write(bundle, imageConfig(config));
    const { stdout, stderr } = await runBundle(bundle.directory);
    expect(stderr).toBe('');
    expect(stdout.toString()).toBe('of the image 1000:1001 750\nnew\n');
    expect(existsSync(`${bundle.rootfs}/srv/data/own`), 'the volume is not the image').toBe(false);
  });
});
