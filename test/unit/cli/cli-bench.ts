import { type CliIo, type Commands, runCli, type StoreStatusResult } from '../../../src/cli/index.ts';
import type { CommandIo } from '../../../src/cli/types.ts';
import type { DoctorReport } from '../../../src/doctor/index.ts';
import { type Digest, parseDigest } from '../../../src/oci/index.ts';
import type { InspectResult, ListedImage, PullResult, Removal, VerifyResult } from '../../../src/pull/index.ts';
import type { PolicyCheck } from '../../../src/signature/policy-check/index.ts';

export const DIGEST: Digest = parseDigest(`sha256:${'ab'.repeat(32)}`);

export const PULL_RESULT: PullResult = {
  name: 'registry.example/app',
  manifestDigest: DIGEST,
  indexDigest: undefined,
  signers: [],
  platform: 'linux/amd64',
  layers: [
    { digest: DIGEST, diffId: DIGEST, size: 1_500_000, fetches: 1 },
    { digest: DIGEST, diffId: DIGEST, size: 10, fetches: 0 },
  ],
  layerFormat: 'erofs',
  target: { kind: 'store' },
  warnings: [],
  durationMs: 1234,
};

/** Bytes that are no UTF-8 and no JSON: what --raw must not touch. */
export const RAW_MANIFEST = Buffer.from([0x7b, 0xff, 0x0a, 0x00]);

const SUMMARY: Extract<InspectResult, { view: 'summary' }>['summary'] = {
  name: 'registry.example/app',
  manifestDigest: DIGEST,
  indexDigest: DIGEST,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  platform: 'linux/amd64',
  created: undefined,
  configDigest: DIGEST,
  layers: [],
  labels: { evil: '\u001b[2J\u009b2J\u202e' },
};

const INSPECT_RESULTS: { readonly [View in InspectResult['view']]: InspectResult } = {
  summary: { view: 'summary', summary: SUMMARY },
  config: { view: 'config', config: { os: 'linux', note: '\u009b' } },
  raw: { view: 'raw', rawManifest: RAW_MANIFEST },
};

export const DOCTOR_REPORT: DoctorReport = {
  checks: [
    { group: 'machine', name: 'kernel', status: 'ok', detail: '6.12.0', remedy: undefined },
    {
      group: 'store',
      name: 'erofs',
      status: 'warn',
      detail: 'unknown filesystem \u001b[2J\u009b2J',
      remedy: 'load erofs',
    },
    { group: 'network', name: 'registry', subject: 'app.io', status: 'ok', detail: 'https', remedy: undefined },
  ],
  layerFormat: { format: 'directory', reason: 'no EROFS' },
};

export const IMAGE: ListedImage = {
  manifestDigest: DIGEST,
  configDigest: DIGEST,
  names: ['registry.example/app:1', `registry.example/app@${DIGEST}`],
  platform: 'linux/amd64',
  pulledAt: '2030-01-01T00:00:00.000Z',
  layerKeys: ['directory-v1-diffid-…'],
  diskBytes: 1_500_000,
  sharedBytes: 0,
  mounts: ['/cwd/b/rootfs'],
};

export const REMOVAL: Removal = {
  names: ['registry.example/app:1'],
  images: [DIGEST],
  layers: [],
  documents: 2,
  uppers: 1,
  freedBytes: 1_500_000,
};

export const STORE_STATUS: StoreStatusResult = {
  state: 'ready',
  place: {
    kind: 'device',
    directory: '/run/kata-containers/image',
    reason: 'image store on 254:0',
    mappingUuid: 'CRYPT-LUKS2-0',
  },
  device: { deviceId: '254:0', path: '/dev/vda', bytes: 2_000_000_000, sectorBytes: 512, diskseq: '9' },
  mountPoint: '/run/kata-containers/image',
  mapping: {
    name: 'sealift-image-store',
    deviceId: '253:1',
    path: '/dev/dm-1',
    bytes: 1_900_000_000,
    uuids: ['CRYPT-LUKS2-a', 'CRYPT-SUBDEV-b'],
  },
  cipher: 'aes-xts-plain64',
  integrity: 'hmac-sha256',
  space: { sizeBytes: 1_800_000_000, usedBytes: 120_000_000, availableBytes: 1_680_000_000 },
  error: undefined,
  stuckPrograms: 0,
  images: 2,
  layers: 5,
  mounts: 1,
  volumes: [
    {
      state: 'ready',
      backing: undefined,
      device: { deviceId: '254:16', path: '/dev/vdb', bytes: 1_000_000_000, sectorBytes: 512, diskseq: '10' },
      mountPoint: '/run/kata-containers/sandbox/storage/YQ==',
      mapping: undefined,
      cipher: 'aes-xts-plain64',
      integrity: 'hmac-sha256',
      space: { sizeBytes: 900_000_000, usedBytes: 1_000_000, availableBytes: 899_000_000 },
      error: undefined,
      stuckPrograms: 0,
    },
  ],
};

const SIGNATURE = {
  kind: 'simple-signing',
  reason: undefined,
  text: undefined,
  remedy: undefined,
  author: undefined,
  signedReference: undefined,
} as const;

export const VERIFY_RESULT: VerifyResult = {
  name: 'registry.example/app',
  manifestDigest: DIGEST,
  indexDigest: undefined,
  verdict: 'accepted',
  basis: 'signature',
  policy: {
    scope: 'scope "registry.example"',
    requirements: [
      {
        type: 'signedBy',
        keys: 'keyPath /keys/team.gpg',
        verdict: 'accepted',
        reason: undefined,
        signatures: [
          {
            ...SIGNATURE,
            origin: 'https://sigs.example/app/signature-1',
            verdict: 'refused',
            reason: 'unknown-key',
            text: 'it names key AB \u001b[2J',
            remedy: 'add this public key',
          },
          {
            ...SIGNATURE,
            origin: 'https://sigs.example/app/signature-2',
            verdict: 'accepted',
            author: { kind: 'openpgp', fingerprint: 'ABCD', signedAt: '2026-02-01T00:00:00.000Z' },
            signedReference: 'registry.example/app:1',
          },
          { ...SIGNATURE, origin: 'https://sigs.example/app/signature-3', verdict: 'not-checked' },
        ],
      },
      { type: 'insecureAcceptAnything', keys: '', verdict: 'accepted', reason: undefined, signatures: [] },
    ],
    failures: [{ origin: 'https://down.example', code: 'HTTP_UNAVAILABLE', message: 'got 503' }],
    remarks: [],
  },
  error: undefined,
  warnings: [],
};

export const POLICY_CHECK: PolicyCheck = {
  findings: [
    {
      status: 'fail',
      check: 'scope',
      where: 'transports.docker["nginx"]',
      detail: 'no image \u001b[2J',
      remedy: 'write "x"',
    },
    { status: 'note', check: 'portability', where: 'default[0]', detail: 'keyPaths: unknown', remedy: undefined },
  ],
  keys: [
    {
      where: 'default[0]',
      member: 'keyPaths',
      id: 'ABCD',
      algorithm: 'ed25519',
      expiresAt: '2030-01-01T00:00:00.000Z',
      problem: undefined,
    },
    {
      where: 'default[0]',
      member: 'keyPaths',
      id: 'sha256:ab',
      algorithm: 'P-256',
      expiresAt: undefined,
      problem: undefined,
    },
    {
      where: 'default[0]',
      member: 'keyPaths',
      id: 'EF',
      algorithm: 'dsa',
      expiresAt: undefined,
      problem: 'key EF is weak',
    },
  ],
  images: [
    {
      reference: 'registry.example/app:1',
      scope: 'default',
      requirements: [
        { type: 'signedBy', keys: 'keyPath /k' },
        { type: 'insecureAcceptAnything', keys: '' },
      ],
    },
  ],
};

export interface CliBench {
  readonly calls: { readonly command: string; readonly options: unknown }[];
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly exitCode: number;
}

export interface BenchOptions {
  readonly terminal?: boolean;
  /** Replaces what a command does, after its call is recorded. */
  readonly command?: (io: CommandIo) => Promise<PullResult>;
  /** Called while a command other than `pull` runs, which then obeys its signal. */
  readonly during?: () => void;
  readonly report?: DoctorReport;
  readonly storeStatus?: StoreStatusResult;
  readonly verified?: VerifyResult;
  readonly policyCheck?: PolicyCheck;
  readonly askPassword?: (prompt: string, signal: AbortSignal) => Promise<string | undefined>;
  /** Called with the function that delivers a signal. */
  readonly signal?: (deliver: (signal: 'SIGINT' | 'SIGTERM') => void) => void;
}

/** Runs one command line against commands that record their options and answer with the samples above. */
export async function runBench(argv: readonly string[], options: BenchOptions = {}): Promise<CliBench> {
  const calls: CliBench['calls'] = [];
  const stdout: Buffer[] = [];
  let stderr = '';
  const unlessAborted = <T>({ signal }: CommandIo, result: T): T => {
    options.during?.();
    signal.throwIfAborted();
    return result;
  };
  const commands: Commands = {
    pull: async (given, io) => {
      calls.push({ command: 'pull', options: given });
      return options.command === undefined ? { ...PULL_RESULT, target: given.target } : options.command(io);
    },
    requestPull: async (given) => {
      calls.push({ command: 'pull --socket', options: given });
      return { manifestDigest: DIGEST, bundle: given.bundle };
    },
    inspect: async (given) => {
      calls.push({ command: 'inspect', options: given });
      return INSPECT_RESULTS[given.view];
    },
    verify: async (given, io) => {
      calls.push({ command: 'verify', options: given });
      return unlessAborted(io, options.verified ?? VERIFY_RESULT);
    },
    checkPolicy: async (given, io) => {
      calls.push({ command: 'policy check', options: given });
      return unlessAborted(io, options.policyCheck ?? POLICY_CHECK);
    },
    umount: async (given) => {
      calls.push({ command: 'umount', options: given });
      return { directory: given.directory, wasMounted: true };
    },
    images: async (given, io) => {
      calls.push({ command: 'images', options: given });
      return unlessAborted(io, { images: [IMAGE] });
    },
    rm: async (given) => {
      calls.push({ command: 'rm', options: given });
      return REMOVAL;
    },
    prune: async (given) => {
      calls.push({ command: 'prune', options: given });
      return REMOVAL;
    },
    storeStatus: async (given, io) => {
      calls.push({ command: 'store status', options: given });
      return unlessAborted(io, options.storeStatus ?? STORE_STATUS);
    },
    doctor: async (given, io) => {
      calls.push({ command: 'doctor', options: given });
      return unlessAborted(io, options.report ?? DOCTOR_REPORT);
    },
  };
  const io: CliIo = {
    stdout: { write: (chunk) => stdout.push(Buffer.from(chunk)) },
    stderr: {
      write: (chunk) => {
        stderr += chunk.toString();
      },
      isTTY: options.terminal ?? false,
      columns: 80,
      rows: 24,
    },
    cwd: '/cwd',
    now: () => 0,
    ...(options.askPassword === undefined ? {} : { askPassword: options.askPassword }),
    onSignal: (listener) => {
      options.signal?.(listener);
      return () => undefined;
    },
  };
  const exitCode = await runCli({ argv, commands, version: '1.2.3', io });
  return { calls, stdout: Buffer.concat(stdout), stderr, exitCode };
}
