import type { ErrorCode } from '../errors/index.ts';

interface Bound {
  readonly default: number;
  readonly unit: 'bytes' | 'count' | 'ms' | 'ratio' | 'log2 bytes';
  readonly reason: string;
  /** 1 when absent. */
  readonly least?: number;
  /** What the code behind it can hold; a setting beyond it is refused. */
  readonly greatest?: number;
}

type Limit = Bound &
  (
    | {
        /** The code of the refusal. */
        readonly code: ErrorCode;
      }
    | {
        /** Nothing is refused: what is beyond it is cut off, or it says how something goes on. */
        readonly effect: 'cuts' | 'paces';
      }
  );

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
/** A Map holds no more. */
const MAP_ENTRIES = 2 ** 24;

/** Every bound on untrusted input, with its reason and the code that a breach answers with. */
export const LIMITS = {
  maxManifestBytes: {
    default: 4 * MIB,
    unit: 'bytes',
    reason: 'distribution-spec asks registries to accept 4 MiB; a larger manifest cannot have been pushed portably',
    code: 'HTTP_RESPONSE_INVALID',
    greatest: 256 * MIB,
  },
  maxConfigBytes: {
    default: 4 * MIB,
    unit: 'bytes',
    reason: 'a config is held in memory whole',
    code: 'HTTP_RESPONSE_INVALID',
    greatest: 256 * MIB,
  },
  maxTokenBytes: {
    default: MIB,
    unit: 'bytes',
    reason: 'token answers are held in memory',
    code: 'HTTP_RESPONSE_INVALID',
    greatest: 256 * MIB,
  },
  maxJsonDepth: {
    default: 64,
    unit: 'count',
    reason: 'the strict reader recurses',
    code: 'JSON_INVALID',
    greatest: 1_000,
  },
  maxIndexDepth: {
    default: 2,
    unit: 'count',
    reason: 'an index inside an index, and no further',
    code: 'MANIFEST_INVALID',
  },
  maxLayers: {
    default: 500,
    unit: 'count',
    reason: 'overlayfs takes at most 500 lower directories',
    code: 'LAYER_LIMIT_EXCEEDED',
    greatest: 500,
  },
  maxLayerUrls: {
    default: 8,
    unit: 'count',
    reason: 'addresses of one foreign layer; each is asked when those before it have failed',
    code: 'LAYER_LIMIT_EXCEEDED',
  },
  maxRedirects: {
    default: 5,
    unit: 'count',
    reason: 'registries redirect once, to their blob storage',
    code: 'HTTP_REDIRECT_REFUSED',
  },
  maxTries: { default: 5, unit: 'count', reason: 'first try and four repetitions', code: 'HTTP_UNAVAILABLE' },
  connectTimeoutMs: { default: 10_000, unit: 'ms', reason: 'TCP and TLS handshake', code: 'HTTP_UNAVAILABLE' },
  headersTimeoutMs: {
    default: 30_000,
    unit: 'ms',
    reason: 'time to the first byte of a response',
    code: 'HTTP_UNAVAILABLE',
  },
  stallTimeoutMs: {
    default: 30_000,
    unit: 'ms',
    reason: 'time without one body byte, without the time that our own back-pressure took',
    code: 'HTTP_UNAVAILABLE',
  },
  documentTimeoutMs: {
    default: 120_000,
    unit: 'ms',
    reason: 'one try for a manifest, config or token; a byte now and then would keep the stall clock quiet for ever',
    code: 'HTTP_UNAVAILABLE',
  },
  maxTotalTries: {
    default: 100,
    unit: 'count',
    reason: 'tries are counted anew after progress; this bounds a server that always breaks off a little further on',
    code: 'HTTP_UNAVAILABLE',
  },
  minRetryProgressBytes: {
    default: MIB,
    unit: 'bytes',
    reason: 'what counts as progress between two breaks of a download',
    effect: 'paces',
  },
  retryDelayMs: { default: 500, unit: 'ms', reason: 'first pause, then doubled', effect: 'paces' },
  maxRetryDelayMs: {
    default: 60_000,
    unit: 'ms',
    reason: 'longest pause, whatever Retry-After says',
    effect: 'paces',
  },
  maxRangeConnections: {
    default: 8,
    unit: 'count',
    reason: 'connections at once for one blob, while each one more brings more; 1 asks for no ranges',
    effect: 'paces',
  },
  minRangedBytes: {
    default: 16 * MIB,
    unit: 'bytes',
    reason: 'with less of a blob to come a second connection is not worth its handshake',
    effect: 'paces',
  },
  rangeBytes: {
    default: 4 * MIB,
    unit: 'bytes',
    reason: 'asked for at once on one more connection, and held in memory until its turn; at least a quarter of it',
    effect: 'paces',
  },
  maxRangedInFlightBytes: {
    default: 32 * MIB,
    unit: 'bytes',
    reason:
      'ranges, and beginnings of blobs before their turn, that the process holds in memory; beyond it nothing is read ahead',
    effect: 'paces',
  },
  rangeWindowMs: {
    default: 150,
    unit: 'ms',
    reason: 'how long throughput is watched before the number of connections of a blob changes',
    effect: 'paces',
  },
  maxErrorBodyBytes: {
    default: 64 * KIB,
    unit: 'bytes',
    reason: 'error answers are cut off here; only their first lines are of use',
    effect: 'cuts',
  },
  maxProxyHeadBytes: {
    default: 16 * KIB,
    unit: 'bytes',
    reason: 'a proxy answers a request for a tunnel with a status and a few headers, which are held in memory',
    code: 'HTTP_RESPONSE_INVALID',
  },
  maxLayerBytes: {
    default: 64 * GIB,
    unit: 'bytes',
    reason: 'uncompressed size of one layer',
    code: 'LAYER_LIMIT_EXCEEDED',
  },
  maxExpansionRatio: {
    default: 1_100,
    unit: 'ratio',
    reason: 'deflate cannot expand further than 1032:1; above the first 64 MiB a zstd bomb is stopped here',
    code: 'LAYER_LIMIT_EXCEEDED',
  },
  maxZstdWindowLog: {
    default: 27,
    unit: 'log2 bytes',
    reason: 'the decoder allocates the window; 128 MiB is what RFC 8878 decoders are asked to bear at most',
    code: 'LAYER_LIMIT_EXCEEDED',
    least: 10,
    greatest: 31,
  },
  maxEntries: {
    default: 2_000_000,
    unit: 'count',
    reason: 'memory of the writer grows with entries',
    code: 'LAYER_LIMIT_EXCEEDED',
    greatest: MAP_ENTRIES,
  },
  maxPathBytes: {
    default: 4_095,
    unit: 'bytes',
    reason: 'PATH_MAX without its NUL',
    code: 'TAR_INVALID',
    greatest: 4_095,
  },
  maxNameBytes: { default: 255, unit: 'bytes', reason: 'NAME_MAX', code: 'TAR_INVALID', greatest: 255 },
  maxPathDepth: { default: 1_024, unit: 'count', reason: 'the trie is walked by component', code: 'TAR_INVALID' },
  maxPaxBytes: { default: MIB, unit: 'bytes', reason: 'as Go archive/tar', code: 'TAR_INVALID' },
  maxXattrBytes: {
    default: 64 * KIB,
    unit: 'bytes',
    reason: 'XATTR_SIZE_MAX',
    code: 'TAR_INVALID',
    greatest: 64 * KIB,
  },
  maxArchiveBytes: {
    default: 64 * GIB,
    unit: 'bytes',
    reason: 'a compressed archive is unpacked into a temporary file',
    code: 'ARCHIVE_LIMIT_EXCEEDED',
  },
  maxArchiveMembers: {
    default: 100_000,
    unit: 'count',
    reason: 'names and places of the members of an archive are held in memory',
    code: 'ARCHIVE_LIMIT_EXCEEDED',
    greatest: MAP_ENTRIES,
  },
  maxUserDatabaseBytes: {
    default: 10 * MIB,
    unit: 'bytes',
    reason: '/etc/passwd and /etc/group of the image are read into memory',
    code: 'BUNDLE_USER_INVALID',
  },
  maxUserDatabaseLineBytes: {
    default: MIB,
    unit: 'bytes',
    reason: 'one line of /etc/passwd or /etc/group is split into fields',
    code: 'BUNDLE_USER_INVALID',
  },
  maxAdditionalGroups: {
    default: 65_536,
    unit: 'count',
    reason: 'NGROUPS_MAX: setgroups takes no more',
    code: 'BUNDLE_USER_INVALID',
    greatest: 65_536,
  },
  maxVolumes: {
    default: 1_024,
    unit: 'count',
    reason: 'each volume of an image config becomes a mount',
    code: 'CONFIG_INVALID',
  },
  maxConfigurationBytes: {
    default: MIB,
    unit: 'bytes',
    reason: 'a configuration file is held in memory and parsed whole',
    code: 'CONFIG_FILE_INVALID',
  },
  maxTreeBytes: {
    default: 256 * MIB,
    unit: 'bytes',
    reason: 'names, link targets and attributes of directories are held in memory until the layer ends',
    code: 'LAYER_LIMIT_EXCEEDED',
  },
  maxRecordBytes: {
    default: 16 * MIB,
    unit: 'bytes',
    reason: 'a layer record lists every parent directory without an entry, and is held in guest memory',
    code: 'LAYER_LIMIT_EXCEEDED',
    greatest: 16 * MIB,
  },
  maxTtrpcMessageBytes: {
    default: 4 * MIB,
    unit: 'bytes',
    reason: 'the protocol has no larger message; the bytes of one are thrown away',
    code: 'TTRPC_MESSAGE_TOO_LARGE',
    greatest: 4 * MIB,
  },
  maxTtrpcConnections: {
    default: 2_048,
    unit: 'count',
    reason: 'connections to one socket; further ones take the place of one that never called',
    code: 'TTRPC_CLOSED',
  },
  maxTtrpcRequests: {
    default: 1_024,
    unit: 'count',
    reason: 'calls in flight on one socket, those included whose client is gone and whose work has not ended',
    code: 'TTRPC_OVERLOADED',
  },
  maxTtrpcConnectionRequests: {
    default: 256,
    unit: 'count',
    reason: 'calls in flight on one connection, so that one client leaves room for others',
    code: 'TTRPC_OVERLOADED',
  },
  maxTtrpcBufferedBytes: {
    default: 32 * MIB,
    unit: 'bytes',
    reason: 'calls over 16 KiB of one socket that are held in memory; also answers that one client does not take',
    code: 'TTRPC_OVERLOADED',
  },
  ttrpcFrameTimeoutMs: {
    default: 30_000,
    unit: 'ms',
    reason: 'a message that has begun, and an answer that is sent, must get through; then the connection is closed',
    code: 'TTRPC_CLOSED',
  },
  maxHealthConnections: {
    default: 16,
    unit: 'count',
    reason: 'on loopback any container of the pod may connect; further connections are closed at once',
    code: 'HEALTH_REQUEST_REFUSED',
  },
  healthTimeoutMs: {
    default: 5_000,
    unit: 'ms',
    reason: 'a request for health or metrics is one line and a few headers; then its connection is closed',
    code: 'HEALTH_REQUEST_REFUSED',
  },
  maxApiTextBytes: {
    default: 16 * KIB,
    unit: 'bytes',
    reason: 'references, paths and options are short',
    code: 'TTRPC_MESSAGE_INVALID',
  },
  maxApiItems: {
    default: 256,
    unit: 'count',
    reason: 'options and flags of a mount; the kata agent sends eight',
    code: 'TTRPC_MESSAGE_INVALID',
  },
  storeTimeoutMs: {
    default: 60_000,
    unit: 'ms',
    reason: 'one operation on the file system of the store, from its request to its answer',
    code: 'STORE_STALLED',
  },
  volumeTimeoutMs: {
    default: 45_000,
    unit: 'ms',
    reason: 'making the image store; the kata agent waits 50 s for it',
    code: 'VOLUME_STALLED',
  },
  maxProgramOutputBytes: {
    default: 64 * KIB,
    unit: 'bytes',
    reason: 'what cryptsetup, mkfs.ext4 and credential helpers say is held in memory; the rest is dropped',
    effect: 'cuts',
  },
  credentialHelperTimeoutMs: {
    default: 60_000,
    unit: 'ms',
    reason: 'a credential helper may ask its user to unlock a keychain, or a cloud for a token',
    code: 'AUTHFILE_HELPER_FAILED',
  },
  lockTimeoutMs: {
    default: 20 * 60_000,
    unit: 'ms',
    reason: 'as long as the kata agent lets a pull run',
    code: 'STORE_LOCK_TIMEOUT',
  },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof LIMITS;
/** Those whose breach is an error. */
export type RefusingLimit = {
  [Name in LimitName]: (typeof LIMITS)[Name] extends { readonly code: ErrorCode } ? Name : never;
}[LimitName];
export type Limits = { readonly [Name in LimitName]: number };

export const DEFAULT_LIMITS = Object.freeze(
  Object.fromEntries(Object.entries(LIMITS).map(([name, limit]) => [name, limit.default])),
) as Limits;

/** What a setting of a limit may be. */
export interface Bounds {
  readonly least: number;
  readonly greatest: number;
}

/** As long as a timer runs; a longer one fires at once. https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
const LONGEST_MS = 2 ** 31 - 1;

export function boundsOf(name: LimitName): Bounds {
  const { unit, least = 1, greatest = unit === 'ms' ? LONGEST_MS : Number.MAX_SAFE_INTEGER }: Limit = LIMITS[name];
  return { least, greatest };
}
