import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { defineApiMessages } from '../../../src/api/messages.ts';
import { checkConfiguration } from '../../../src/config/schema.ts';
import { snakeCase } from '../../../src/config/settings.ts';
import type { ErrorCode } from '../../../src/errors/index.ts';
import { boundsOf, DEFAULT_LIMITS, LIMITS, type LimitName, type RefusingLimit } from '../../../src/limits/index.ts';
import { tryFlock } from '../../../src/platform/index.ts';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import { LimitBed, type LimitedPull, type LimitSettings, limitsTable } from '../../support/beds/limit-bed.ts';
import { pseudoRandom } from '../../support/builders/small-image.ts';
import { dir, file, hardlink, symlink, type TarMember } from '../../support/builders/tar-builder.ts';
import { IS_ROOT } from '../../support/machine/commands.ts';
import { expectFailure } from '../../support/matchers.ts';
import { ForwardProxy } from '../../support/proxies/forward-proxy.ts';
import type { FakeAuth, FaultAction } from '../../support/registries/fake-registry.ts';
import { signingKey, simpleSignature } from '../../support/signatures/simple-signatures.ts';

const INSECURE = '[pull]\ntls_verify = false\n';
const WITHOUT_ROOT = IS_ROOT ? '' : ' (skipped: needs root for a store and for mounts)';

const PLAIN: readonly TarMember[] = [dir('./'), file('data', pseudoRandom(200_000, 'limits'))];
const MANIFEST = /\/manifests\//;
const BLOB = /\/blobs\//;

/** Prepares a breach of the limit; the result is given to the pull. */
type Prepare = (limited: LimitBed) => LimitedPull | undefined | Promise<LimitedPull | undefined>;

interface Row {
  readonly limit: RefusingLimit;
  readonly value: number;
  readonly others?: LimitSettings;
  readonly prepare: Prepare;
  /** The value in the error; `beyond` is any that exceeds the limit. Undefined for a timeout, which counts nothing. */
  readonly actual?: number | 'more' | 'beyond';
  /** The error code, when it differs from that of the table. */
  readonly code?: ErrorCode;
  readonly auth?: FakeAuth;
  /** How many pulls may pass before one breaches the limit, where that takes a disk which is slow for a moment; 1. */
  readonly pulls?: number;
}

function serving(layers: readonly (readonly TarMember[])[], config: object = {}): Prepare {
  return ({ bed }) => {
    bed.serveImage(layers, { tag: 'latest', config });
    return undefined;
  };
}

function faulty(match: RegExp, action: FaultAction, times = 99): Prepare {
  return ({ bed }) => {
    bed.serveImage([PLAIN], { tag: 'latest' });
    bed.registry.inject({ match, action, times });
    return undefined;
  };
}

function faultyLayer(action: FaultAction, times: number): Prepare {
  return ({ bed }) => {
    const [layer] = bed.serveImage([PLAIN], { tag: 'latest' }).layers;
    bed.registry.inject({ match: new RegExp(`/blobs/${layer}$`), action, times });
    return undefined;
  };
}

/** An image with content that only a pull into a bundle reads. */
function inBundle(members: readonly TarMember[], config: object): Prepare {
  return ({ bed }) => {
    bed.serveImage([members], { tag: 'latest', config: { config } });
    return { target: 'bundle' };
  };
}

const nested: Prepare = ({ bed }) => {
  const { layers: _, ...image } = bed.serveImage([PLAIN]);
  bed.serveIndex([bed.serveIndex([image])], 'latest');
  return undefined;
};

async function throughProxy(limited: LimitBed): Promise<LimitedPull> {
  const proxy = await ForwardProxy.start();
  limited.onDispose(() => proxy[Symbol.asyncDispose]());
  proxy.inject({ kind: 'raw', bytes: `HTTP/1.1 200 OK\r\nX-Padding: ${'x'.repeat(4_000)}\r\n\r\n`, close: true });
  const settings = { 'pull.tls_verify': true, 'pull.proxy.https': proxy.url };
  return { reference: 'registry.example/app:latest', settings };
}

/** A server that accepts connections and sends nothing. */
async function silentHandshake(limited: LimitBed): Promise<LimitedPull> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on('error', () => undefined))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  limited.onDispose(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { reference: `127.0.0.1:${port}/app:latest`, settings: { 'pull.tls_verify': true } };
}

/** A policy that exceeds the limit. The registries configuration stays below it. */
function longPolicy({ bed }: LimitBed): LimitedPull {
  const policy = bed.path('policy.json');
  writeFileSync(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  writeFileSync(bed.path('registries.conf'), '');
  mkdirSync(bed.path('registries.conf.d'));
  const files = {
    'pull.registries_conf': bed.path('registries.conf'),
    'pull.registries_conf_d': bed.path('registries.conf.d'),
  };
  return { settings: { ...files, 'pull.policy': policy, 'pull.insecure_policy': false } };
}

/** An image with three signatures for another image, each of some hundred bytes. */
function wronglySigned({ bed }: LimitBed): LimitedPull {
  const { digest } = bed.serveImage([PLAIN], { tag: 'latest' });
  const keyData = signingKey('ed25519').toString('base64');
  const policy = bed.path('policy.json');
  writeFileSync(policy, JSON.stringify({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyData }] }));
  const folder = bed.path(`sigs/app@${digest.replace(':', '=')}`);
  for (const path of [folder, bed.path('registries.d')]) mkdirSync(path, { recursive: true });
  for (const position of [1, 2, 3]) writeFileSync(`${folder}/signature-${position}`, simpleSignature('ed25519'));
  writeFileSync(bed.path('registries.d/s.yaml'), `default-docker: {lookaside: "file://${bed.path('sigs')}"}`);
  const settings = { 'pull.policy': policy, 'pull.registries_d': bed.path('registries.d') };
  return { settings: { ...settings, 'pull.insecure_policy': false } };
}

function lockedStore(limited: LimitBed): undefined {
  limited.bed.serveImage([PLAIN], { tag: 'latest' });
  const fd = openSync(limited.makeLocks(), 'w');
  expect(tryFlock(fd, 'exclusive')).toBe(true);
  limited.onDispose(() => closeSync(fd));
}

const listed = (count: number): string =>
  Array.from({ length: count }, (_, at) => `group-${at}:x:${at + 100}:app\n`).join('');
const asApp = { User: 'app' };
const passwd = file('etc/passwd', 'app:x:7:7::/:/bin/sh\n');
const deep = [dir('a'), dir('a/b'), dir('a/b/c')];
const withXattr = file('data', '', { xattrs: { 'user.note': 'x'.repeat(100) } });
const implied = Array.from({ length: 20 }, (_, at) => file(`directory-${at}/file`, ''));
const ANYBODY: FakeAuth = { kind: 'bearer' };
const ONE_TRY = { maxTries: 1 } as const;

const ROWS: readonly Row[] = [
  { limit: 'maxManifestBytes', value: 100, actual: 'beyond', prepare: serving([PLAIN]) },
  { limit: 'maxConfigBytes', value: 50, actual: 'beyond', prepare: serving([PLAIN]) },
  { limit: 'maxTokenBytes', value: 5, actual: 'beyond', auth: ANYBODY, prepare: serving([PLAIN]) },
  { limit: 'maxJsonDepth', value: 1, actual: 2, prepare: serving([PLAIN]) },
  { limit: 'maxIndexDepth', value: 1, actual: 2, prepare: nested },
  { limit: 'maxLayers', value: 1, actual: 2, prepare: serving([PLAIN, [file('other', '')]]) },
  {
    ...{ limit: 'maxRedirects', value: 1, actual: 'more' },
    prepare: faulty(BLOB, { kind: 'answer', status: 307, headers: { location: '?' } }),
  },
  {
    limit: 'maxTries',
    value: 2,
    prepare: faulty(MANIFEST, { kind: 'answer', status: 503 }),
    others: { retryDelayMs: 1 },
  },
  {
    ...{ limit: 'maxTotalTries', value: 2, others: { retryDelayMs: 1 } },
    prepare: faulty(BLOB, { kind: 'answer', status: 503 }),
  },
  { limit: 'connectTimeoutMs', value: 300, others: ONE_TRY, prepare: silentHandshake },
  { limit: 'headersTimeoutMs', value: 200, others: ONE_TRY, prepare: faulty(MANIFEST, { kind: 'silence' }) },
  { limit: 'stallTimeoutMs', value: 200, others: ONE_TRY, prepare: faulty(BLOB, { kind: 'stall', afterBytes: 9 }) },
  {
    ...{ limit: 'documentTimeoutMs', value: 300, others: ONE_TRY },
    prepare: faulty(MANIFEST, { kind: 'trickle', chunkBytes: 1, everyMs: 50 }),
  },
  {
    ...{ limit: 'minThroughputBytes', value: 1_000_000, others: { ...ONE_TRY, throughputWindowMs: 20 } },
    prepare: faulty(BLOB, { kind: 'trickle', chunkBytes: 1, everyMs: 5 }),
  },
  {
    ...{ limit: 'maxRetryAfterMs', value: 1_000, actual: 2_000 },
    prepare: faulty(MANIFEST, { kind: 'answer', status: 429, headers: { 'retry-after': '2' } }),
  },
  { limit: 'maxProxyHeadBytes', value: 1_000, others: ONE_TRY, prepare: throughProxy },
  { limit: 'maxConfigurationBytes', value: 20, actual: 'more', code: 'POLICY_INVALID', prepare: longPolicy },
  { limit: 'maxSignatureBytes', value: 100, actual: 'more', prepare: wronglySigned },
  { limit: 'maxImageSignatures', value: 2, actual: 'more', prepare: wronglySigned },
  { limit: 'maxImageSignatureBytes', value: 500, actual: 'more', prepare: wronglySigned },
  { limit: 'maxLayerBytes', value: 1_000, actual: 'beyond', prepare: serving([PLAIN]) },
  {
    limit: 'maxExpansionRatio',
    value: 10,
    actual: 'beyond',
    prepare: serving([[file('zeros', Buffer.alloc(68 << 20))]]),
  },
  { limit: 'maxEntries', value: 2, actual: 3, prepare: serving([deep]) },
  { limit: 'maxPathBytes', value: 20, actual: 30, prepare: serving([[file('n'.repeat(30), '')]]) },
  { limit: 'maxNameBytes', value: 20, actual: 30, prepare: serving([[file('n'.repeat(30), '')]]) },
  { limit: 'maxPathDepth', value: 2, actual: 3, prepare: serving([deep]) },
  { limit: 'maxPaxBytes', value: 20, actual: 'beyond', prepare: serving([[withXattr]]) },
  { limit: 'maxXattrBytes', value: 20, actual: 100, prepare: serving([[withXattr]]) },
  { limit: 'maxTreeBytes', value: 30, actual: 'beyond', prepare: serving([implied]) },
  { limit: 'maxRecordBytes', value: 30, actual: 'beyond', prepare: serving([implied]) },
  { limit: 'maxImageFactsBytes', value: 30, actual: 'beyond', prepare: serving([implied]) },
  { limit: 'maxStoreFactsBytes', value: 30, actual: 'beyond', prepare: serving([implied]) },
  { limit: 'maxPlanSteps', value: 1, actual: 'more', prepare: inBundle(implied, {}) },
  { limit: 'maxPlanBytes', value: 1_000, actual: 'more', prepare: inBundle(implied, {}) },
  { limit: 'maxUserDatabaseBytes', value: 10, actual: 21, prepare: inBundle([dir('etc'), passwd], asApp) },
  { limit: 'maxUserDatabaseLineBytes', value: 10, actual: 20, prepare: inBundle([dir('etc'), passwd], asApp) },
  {
    ...{ limit: 'maxAdditionalGroups', value: 3, actual: 4 },
    prepare: inBundle([dir('etc'), passwd, file('etc/group', listed(9))], asApp),
  },
  { limit: 'maxVolumes', value: 1, actual: 2, prepare: inBundle(PLAIN, { Volumes: { '/a': {}, '/b': {} } }) },
  { limit: 'storeTimeoutMs', value: 1, prepare: inBundle(PLAIN, {}), pulls: 50 },
  { limit: 'lockTimeoutMs', value: 100, prepare: lockedStore },
];

const unavailable: FaultAction = { kind: 'answer', status: 503 };

/** The layer comes in five parts, each of which breaks off. */
const inParts = faultyLayer({ kind: 'close', afterBytes: 50_000 }, 4);

describe.skipIf(!IS_ROOT)(`a limit in the file given with -c${WITHOUT_ROOT}`, () => {
  describe.concurrent('is obeyed', () => {
    it.each(ROWS)('$limit = $value', async ({ limit, value, others = {}, prepare, auth, ...row }) => {
      const { code = LIMITS[limit].code, actual, pulls = 1 } = row;
      const pullUntilRefused = async (): Promise<void> => {
        for (let done = 0; done < pulls; done += 1) {
          await using limited = await LimitBed.open(auth);
          await limited.pull({ [limit]: value, ...others }, await prepare(limited));
        }
      };
      const error = await expectFailure(code, pullUntilRefused);
      expect(error.context['limit']).toBe(limit);
      if (limit !== 'connectTimeoutMs' && limit !== 'maxProxyHeadBytes') expect(error.context['expected']).toBe(value);
      if (actual === 'beyond') expect(error.context['actual']).toBeGreaterThan(value);
      else if (actual !== undefined) expect(error.context['actual']).toBe(actual);
    });

    it('maxPlanSteps = 2000 for facts, which are read again for each layer that needs those below', async () => {
      const base = [dir('usr'), dir('usr/lib'), symlink('lib', 'usr/lib')];
      const linked = Array.from({ length: 10 }, (_, at) => [file(`lib/library-${at}`, '')]);
      await using limited = await LimitBed.open();
      limited.bed.serveImage([base, ...linked, implied], { tag: 'latest' });
      const enough = await limited.pull({ maxPlanSteps: 2_000 });
      expect(enough.layers).toHaveLength(12);
      await using refused = await LimitBed.open();
      const many = Array.from({ length: 200 }, (_, at) => file(`directory-${at}/file`, ''));
      refused.bed.serveImage([base, ...linked, many], { tag: 'latest' });
      const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => refused.pull({ maxPlanSteps: 2_000 }));
      expect(error.context).toEqual({ limit: 'maxPlanSteps', expected: 2_000, actual: 'more' });
    });

    it('maxPlanSteps = 2000 for names below a layer that is written with those below in view', async () => {
      const below = Array.from({ length: 20 }, (_, at) => [dir('d'), file(`d/file-${at}`, '')]);
      const linking = (paths: number) => [
        hardlink('link', 'd/file-0'),
        ...Array.from({ length: paths }, (_, at) => file(`d/${at}/file`, '')),
      ];
      await using limited = await LimitBed.open();
      limited.bed.serveImage([...below, linking(50)], { tag: 'latest' });
      const enough = await limited.pull({ maxPlanSteps: 2_000 });
      expect(enough.layers).toHaveLength(21);
      await using refused = await LimitBed.open();
      refused.bed.serveImage([...below, linking(150)], { tag: 'latest' });
      const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => refused.pull({ maxPlanSteps: 2_000 }));
      expect(error.context).toEqual({ limit: 'maxPlanSteps', expected: 2_000, actual: 'more' });
    });

    it('minRetryProgressBytes = 50000, so that a part is progress and tries are counted anew', async () => {
      await using limited = await LimitBed.open();
      await inParts(limited);
      const { layers } = await limited.pull({ minRetryProgressBytes: 50_000, maxTries: 2, retryDelayMs: 1 });
      expect(layers).toHaveLength(1);
      await using refused = await LimitBed.open();
      await inParts(refused);
      const error = await expectFailure('HTTP_UNAVAILABLE', () => refused.pull({ maxTries: 2, retryDelayMs: 1 }));
      expect(error.context).toMatchObject({ limit: 'maxTries', expected: 2 });
    });

    it('retryDelayMs = 1000, half of it for certain', async () => {
      await using limited = await LimitBed.open();
      await faulty(MANIFEST, unavailable, 1)(limited);
      const { durationMs } = await limited.pull({ retryDelayMs: 1_000 });
      expect(durationMs).toBeGreaterThan(500);
    });

    it('maxRetryDelayMs = 1, whatever the server asks for', async () => {
      await using limited = await LimitBed.open();
      await faulty(MANIFEST, { ...unavailable, headers: { 'retry-after': '120' } }, 1)(limited);
      const { durationMs } = await limited.pull({ maxRetryDelayMs: 1 });
      expect(durationMs).toBeLessThan(60_000);
    });

    it('maxErrorBodyBytes = 20, so that an answer which is no success is not read further', async () => {
      const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'pay first' }] });
      const denied = faulty(MANIFEST, { kind: 'answer', status: 403, body });
      await using limited = await LimitBed.open();
      await denied(limited);
      const cut = await expectFailure('REGISTRY_AUTH_REJECTED', () => limited.pull({ maxErrorBodyBytes: 20 }));
      expect(cut.message).not.toContain('pay first');
      const whole = await expectFailure('REGISTRY_AUTH_REJECTED', () => limited.pull({}));
      expect(whole.message).toContain('pay first');
    });
  });

  it('is not breached by the same images and registries where it is as it was', async () => {
    await using limited = await LimitBed.open(ANYBODY);
    await serving([PLAIN, deep, [withXattr], implied])(limited);
    expect((await limited.pull({})).layers).toHaveLength(4);
  });
});

describe.skipIf(!IS_ROOT)(`a limit in the file of the daemon${WITHOUT_ROOT}`, () => {
  it.each([
    ['maxLayers', 1, 'of the main thread'],
    ['maxEntries', 2, 'of a thread that writes layers'],
    ['maxJsonDepth', 1, 'of a document'],
    ['maxVolumes', 1, 'of a bundle'],
  ] as const)('%s = %i is obeyed, as one %s', async (limit, value, _) => {
    await using daemon = await DaemonBed.open({ toml: limitsTable({ [limit]: value }) + INSECURE });
    const config = { config: { Volumes: { '/a': {}, '/b': {} } } };
    const { digest } = daemon.bed.serveImage([PLAIN, deep], { config });
    const error = await expectFailure(LIMITS[limit].code, () => daemon.pull(daemon.bed.reference(digest)));
    expect(error.context).toMatchObject({ limit, expected: value });
  });
});

describe('a limit of the messages of the daemon', () => {
  const { secureMountRequest } = defineApiMessages(DEFAULT_LIMITS);
  const message = secureMountRequest.encode({
    ...{ volumeType: 'block-device', options: new Map(), flags: ['one', 'two'], mountPoint: '/m' },
  });

  it.each([
    ['maxApiTextBytes', 11],
    ['maxApiItems', 1],
  ] as const)('%s = %i is obeyed', async (limit, value) => {
    const limited = defineApiMessages({ ...DEFAULT_LIMITS, [limit]: value });
    await expectFailure('TTRPC_MESSAGE_INVALID', () => limited.secureMountRequest.decode(message));
    const enough = defineApiMessages({ ...DEFAULT_LIMITS, [limit]: value + 1 });
    expect(enough.secureMountRequest.decode(message).flags).toEqual(['one', 'two']);
  });
});

describe('the setting of a limit', () => {
  const load = (name: LimitName, value: number) =>
    checkConfiguration({ pull: { limits: { [snakeCase(name)]: value } } });

  it.each(Object.keys(LIMITS) as LimitName[])('%s takes what can hold, and refuses what cannot', (name) => {
    const { least, greatest } = boundsOf(name);
    expect(load(name, LIMITS[name].default).ok).toBe(true);
    expect([load(name, least).ok, load(name, greatest).ok]).toEqual([true, true]);
    for (const value of [0, -1, 1.5, least - 1, greatest + 1]) {
      expect(load(name, value)).toEqual({ ok: false, problem: expect.stringContaining(snakeCase(name)) });
    }
  });

  it.each([
    ['maxLayers', 501, 'expected at most 500'],
    ['maxNameBytes', 256, 'expected at most 255'],
    ['maxPathBytes', 4_096, 'expected at most 4095'],
    ['maxZstdWindowLog', 32, 'expected at most 31'],
    ['maxZstdWindowLog', 9, 'expected at least 10'],
    ['stallTimeoutMs', 2 ** 31, 'expected at most 2147483647'],
  ] as const)('%s = %i says what it may be', (name, value, words) => {
    const checked = load(name, value);
    expect(checked).toEqual({ ok: false, problem: `pull.limits.${snakeCase(name)}: ${words}` });
  });
});
