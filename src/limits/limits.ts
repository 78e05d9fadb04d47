import type { ErrorCode } from '../errors/index.ts';

interface Bound {
  readonly default: number;
  readonly unit: 'bytes' | 'count' | 'ms' | 'ratio' | 'log2 bytes';
  readonly reason: string;
  /** 1 when absent. */
  readonly least?: number;
  /** The largest value that the code can handle; a larger setting is refused. */
  readonly greatest?: number;
}

type Limit = Bound &
  (
    | {
        /** The code of the error that a breach throws. */
        readonly code: ErrorCode;
      }
    | {
        /** A breach is no error: `cuts` drops what exceeds the limit, `paces` controls how work proceeds. */
        readonly effect: 'cuts' | 'paces';
      }
  );

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
/** The largest number of entries that a Map can hold. */
const MAP_ENTRIES = 2 ** 24;

/** Every bound on untrusted input, with its reason and the code of the error that a breach throws. */
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
    reason: 'a config is held in memory as a whole',
    code: 'HTTP_RESPONSE_INVALID',
    greatest: 256 * MIB,
  },
  maxTokenBytes: {
    default: MIB,
    unit: 'bytes',
    reason: 'token responses are held in memory',
    code: 'HTTP_RESPONSE_INVALID',
    greatest: 256 * MIB,
  },
  maxJsonDepth: {
    default: 64,
    unit: 'count',
    reason: 'the strict JSON parser is recursive',
    code: 'JSON_INVALID',
    greatest: 1_000,
  },
  maxIndexDepth: {
    default: 2,
    unit: 'count',
    reason: 'an index may contain an index, and no deeper nesting',
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
    reason: 'URLs of one foreign layer; each is tried after those before it have failed',
    code: 'LAYER_LIMIT_EXCEEDED',
  },
  maxRedirects: {
    default: 5,
    unit: 'count',
    reason: 'registries redirect once, to their blob storage',
    code: 'HTTP_REDIRECT_REFUSED',
  },
  maxTries: { default: 5, unit: 'count', reason: 'the first try and four more', code: 'HTTP_UNAVAILABLE' },
  connectTimeoutMs: {
    default: 10_000,
    unit: 'ms',
    reason: 'time for the TCP and TLS handshakes',
    code: 'HTTP_UNAVAILABLE',
  },
  headersTimeoutMs: {
    default: 30_000,
    unit: 'ms',
    reason: 'time to the first byte of a response',
    code: 'HTTP_UNAVAILABLE',
  },
  stallTimeoutMs: {
    default: 30_000,
    unit: 'ms',
    reason:
      'time without a single byte of the body; time in which Sealift itself held the connection back does not count',
    code: 'HTTP_UNAVAILABLE',
  },
  minThroughputBytes: {
    default: 64 * KIB,
    unit: 'bytes',
    reason:
      'bytes that a connection for a blob must bring within throughputWindowMs; a server that sends a byte now and then does not stall and would hold the pull for ever',
    code: 'HTTP_UNAVAILABLE',
  },
  throughputWindowMs: {
    default: 180_000,
    unit: 'ms',
    reason:
      'how long the throughput of a connection is measured; time in which Sealift itself held it back does not count',
    effect: 'paces',
  },
  documentTimeoutMs: {
    default: 120_000,
    unit: 'ms',
    reason:
      'time for one try to fetch a manifest, config or token; a server that sends a byte now and then does not stall',
    code: 'HTTP_UNAVAILABLE',
  },
  maxTotalTries: {
    default: 100,
    unit: 'count',
    reason:
      'progress resets the count of tries; this bounds a server that closes each connection after a little progress',
    code: 'HTTP_UNAVAILABLE',
  },
  minRetryProgressBytes: {
    default: MIB,
    unit: 'bytes',
    reason: 'bytes that a download must gain between two failures to count as progress',
    effect: 'paces',
  },
  retryDelayMs: {
    default: 500,
    unit: 'ms',
    reason: 'the pause before the second try; each later pause is twice as long',
    effect: 'paces',
  },
  maxRetryDelayMs: {
    default: 60_000,
    unit: 'ms',
    reason: 'the longest pause, even if Retry-After asks for more',
    effect: 'paces',
  },
  maxRetryAfterMs: {
    default: 240_000,
    unit: 'ms',
    reason:
      'a longer wait that a server asks for with Retry-After ends the request at once; the pauses of a request are four minutes at most, and a call with less time left ends at once as well',
    code: 'HTTP_UNAVAILABLE',
  },
  maxRangeConnections: {
    default: 8,
    unit: 'count',
    reason:
      'connections at the same time for one blob, added only while they raise throughput; 1 turns range requests off',
    effect: 'paces',
  },
  minRangedBytes: {
    default: 16 * MIB,
    unit: 'bytes',
    reason: 'when less of a blob is left, a second connection does not repay its handshake',
    effect: 'paces',
  },
  rangeBytes: {
    default: 4 * MIB,
    unit: 'bytes',
    reason:
      'bytes requested at once on an additional connection, at least a quarter of it; held in memory until written',
    effect: 'paces',
  },
  maxRangedInFlightBytes: {
    default: 32 * MIB,
    unit: 'bytes',
    reason: 'ranges and beginnings of queued blobs that the process holds in memory; above this nothing is read ahead',
    effect: 'paces',
  },
  rangeWindowMs: {
    default: 150,
    unit: 'ms',
    reason: 'how long throughput is measured before the number of connections for a blob changes',
    effect: 'paces',
  },
  maxErrorBodyBytes: {
    default: 64 * KIB,
    unit: 'bytes',
    reason: 'bodies of error responses are cut off here; only their first lines are useful',
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
    reason: 'deflate cannot expand by more than 1032:1; beyond the first 64 MiB, a zstd bomb is stopped here',
    code: 'LAYER_LIMIT_EXCEEDED',
  },
  maxZstdWindowLog: {
    default: 27,
    unit: 'log2 bytes',
    reason: 'the decoder allocates the window; RFC 8878 asks decoders to support at most 128 MiB',
    code: 'LAYER_LIMIT_EXCEEDED',
    least: 10,
    greatest: 31,
  },
  maxEntries: {
    default: 2_000_000,
    unit: 'count',
    reason: 'the memory of the writer grows with the number of entries',
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
  maxPathDepth: {
    default: 1_024,
    unit: 'count',
    reason: 'the trie of directories is walked one component at a time',
    code: 'TAR_INVALID',
  },
  maxPaxBytes: { default: MIB, unit: 'bytes', reason: 'the same limit as in archive/tar of Go', code: 'TAR_INVALID' },
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
    reason: 'names and offsets of the members of an archive are held in memory',
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
    reason: 'NGROUPS_MAX: setgroups accepts no more',
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
    reason: 'a configuration file is held in memory and parsed as a whole',
    code: 'CONFIG_FILE_INVALID',
  },
  maxResourceBytes: {
    default: 4 * MIB,
    unit: 'bytes',
    reason: 'a resource of the key broker is held in memory; over ttrpc no larger one can arrive',
    code: 'KEYBROKER_ANSWER_INVALID',
    greatest: 64 * MIB,
  },
  maxOfflineResourcesBytes: {
    default: 16 * MIB,
    unit: 'bytes',
    reason: 'a file with the resources of offline_fs_kbc is held in memory and parsed as a whole',
    code: 'KEYBROKER_ANSWER_INVALID',
    greatest: 256 * MIB,
  },
  keyBrokerTimeoutMs: {
    default: 50_000,
    unit: 'ms',
    reason:
      'time for one resource, with the attestation of the guest; the kata agent gives confidential-data-hub as long',
    code: 'KEYBROKER_UNAVAILABLE',
  },
  keyBrokerTtlMs: {
    default: 300_000,
    unit: 'ms',
    reason:
      'how long a resource of the key broker is kept in memory; a key that was replaced or a policy that was changed there counts no later',
    effect: 'paces',
  },
  maxSignatureBytes: {
    default: 4 * MIB,
    unit: 'bytes',
    reason: 'one signature, or the list of those that a registry keeps, is held in memory; real ones have a few KiB',
    code: 'SIGNATURE_LIMIT_EXCEEDED',
    greatest: 256 * MIB,
  },
  maxImageSignatures: {
    default: 128,
    unit: 'count',
    reason: 'signatures that are fetched for one image; any user who may write to a store can add some',
    code: 'SIGNATURE_LIMIT_EXCEEDED',
  },
  maxImageSignatureBytes: {
    default: 32 * MIB,
    unit: 'bytes',
    reason: 'all signatures of one image are held in memory until the policy has judged them',
    code: 'SIGNATURE_LIMIT_EXCEEDED',
  },
  maxImageReferrers: {
    default: 256,
    unit: 'count',
    reason:
      'manifests that refer to an image and may hold signatures are fetched one by one; any user who may push can add some',
    code: 'SIGNATURE_LIMIT_EXCEEDED',
  },
  maxReferrerPages: {
    default: 8,
    unit: 'count',
    reason:
      'one list of what refers to an image; each page is a request, and the registry says whether there is another',
    code: 'SIGNATURE_LIMIT_EXCEEDED',
  },
  signatureSearchMs: {
    default: 60_000,
    unit: 'ms',
    reason:
      'the search for all signatures of one image; a store that sends them slowly holds the pull for as long, and for one more',
    code: 'SIGNATURE_LIMIT_EXCEEDED',
  },
  maxKeyRingBytes: {
    default: MIB,
    unit: 'bytes',
    reason: 'the public keys of one requirement are held in memory and parsed for each signature',
    code: 'POLICY_INVALID',
    greatest: 64 * MIB,
  },
  maxKeyRingKeys: {
    default: 100,
    unit: 'count',
    reason: 'a ring of very many keys trusts more owners than a policy can mean',
    code: 'POLICY_INVALID',
  },
  signatureCheckMs: {
    default: 10_000,
    unit: 'ms',
    reason: 'a worker parses and verifies what others wrote; its thread is ended when that does not come to an end',
    code: 'SIGNATURE_CHECK_STALLED',
  },
  imageSignatureCheckMs: {
    default: 30_000,
    unit: 'ms',
    reason: 'the checks of all signatures of one image together; any user who may write to a store can add some',
    code: 'SIGNATURE_CHECK_STALLED',
  },
  maxKeptSignatures: {
    default: 16,
    unit: 'count',
    reason: 'signatures that a store keeps of one image; those that satisfied the policy last stay',
    effect: 'cuts',
  },
  maxKeptSignatureBytes: {
    default: MIB,
    unit: 'bytes',
    reason: 'the record with the signatures that a store keeps of one image; it is read at each pull',
    effect: 'cuts',
    greatest: 16 * MIB,
  },
  maxSignedImages: {
    default: 1024,
    unit: 'count',
    reason: 'images of which a store keeps signatures; those of the oldest image go first',
    effect: 'cuts',
  },
  maxStoreSignatureBytes: {
    default: 16 * MIB,
    unit: 'bytes',
    reason: 'the kept signatures of all images of a store, in guest memory; those of the oldest image go first',
    effect: 'cuts',
  },
  maxBundleLogEntries: {
    default: 32,
    unit: 'count',
    reason: 'each log entry of a Sigstore bundle costs hashes and signatures to verify (CVE-2024-45395)',
    code: 'SIGNATURE_REFUSED',
  },
  maxBundleTimestamps: {
    default: 32,
    unit: 'count',
    reason: 'each timestamp of a Sigstore bundle is parsed; real bundles have one or two',
    code: 'SIGNATURE_REFUSED',
  },
  maxBundleCertificates: {
    default: 10,
    unit: 'count',
    reason: 'certificates of a Sigstore bundle are parsed; a chain has three or four',
    code: 'SIGNATURE_REFUSED',
  },
  maxStatementSubjects: {
    default: 1024,
    unit: 'count',
    reason: 'each subject of an in-toto statement is compared with the image',
    code: 'SIGNATURE_REFUSED',
  },
  maxInclusionHashes: {
    default: 64,
    unit: 'count',
    reason: 'a log of 2^64 entries has a proof of 64 hashes',
    code: 'SIGNATURE_REFUSED',
    greatest: 64,
  },
  maxCheckpointBytes: {
    default: 16 * KIB,
    unit: 'bytes',
    reason: 'the checkpoint of a log has a few lines and a signature of each witness',
    code: 'SIGNATURE_REFUSED',
  },
  maxDerDepth: {
    default: 32,
    unit: 'count',
    reason: 'certificates and timestamps are parsed by recursion; real ones are nested about ten deep',
    code: 'SIGNATURE_REFUSED',
    greatest: 128,
  },
  maxTreeBytes: {
    default: 256 * MIB,
    unit: 'bytes',
    reason: 'names, link targets and attributes of directories are held in memory until the end of the layer',
    code: 'LAYER_LIMIT_EXCEEDED',
  },
  maxRecordBytes: {
    default: 16 * MIB,
    unit: 'bytes',
    reason: 'a layer record lists every parent directory without an entry, and is held in guest memory',
    code: 'LAYER_LIMIT_EXCEEDED',
    greatest: 16 * MIB,
  },
  maxImageFactsBytes: {
    default: 32 * MIB,
    unit: 'bytes',
    reason: 'the parent directories without an entry of all layers of an image, which one plan holds in memory',
    code: 'LAYER_LIMIT_EXCEEDED',
  },
  maxStoreFactsBytes: {
    default: 128 * MIB,
    unit: 'bytes',
    reason: 'the records of all layers in a store, which lie in guest memory',
    code: 'LAYER_LIMIT_EXCEEDED',
  },
  maxPlanSteps: {
    default: 10_000_000,
    unit: 'count',
    reason:
      'names that are looked at in the layers of an image and in the facts about them to put them on top of one another, some millions a second',
    code: 'LAYER_LIMIT_EXCEEDED',
  },
  maxPlanBytes: {
    default: 128 * MIB,
    unit: 'bytes',
    reason:
      'what one plan holds of the names in the facts of an image, or of the hard links in a layer below: about 150 for a name and 400 more for a directory with names in it, each counted once',
    code: 'LAYER_LIMIT_EXCEEDED',
  },
  maxTtrpcMessageBytes: {
    default: 4 * MIB,
    unit: 'bytes',
    reason: 'the protocol has no larger message; the bytes of a larger one are read and discarded',
    code: 'TTRPC_MESSAGE_TOO_LARGE',
    greatest: 4 * MIB,
  },
  maxTtrpcConnections: {
    default: 2_048,
    unit: 'count',
    reason: 'connections to one socket; a further one replaces a connection on which no call was made',
    code: 'TTRPC_CLOSED',
  },
  maxTtrpcRequests: {
    default: 1_024,
    unit: 'count',
    reason: 'calls in progress on one socket, including unfinished calls of clients that have disconnected',
    code: 'TTRPC_OVERLOADED',
  },
  maxTtrpcConnectionRequests: {
    default: 256,
    unit: 'count',
    reason: 'calls in progress on one connection, so that one client leaves capacity for others',
    code: 'TTRPC_OVERLOADED',
  },
  maxTtrpcBufferedBytes: {
    default: 32 * MIB,
    unit: 'bytes',
    reason: 'calls over 16 KiB of one socket that are held in memory; also responses that one client does not read',
    code: 'TTRPC_OVERLOADED',
  },
  ttrpcFrameTimeoutMs: {
    default: 30_000,
    unit: 'ms',
    reason: 'time to receive a message that has begun, or to send a response; after it the connection is closed',
    code: 'TTRPC_CLOSED',
  },
  maxHealthConnections: {
    default: 16,
    unit: 'count',
    reason: 'any container of the pod can connect over loopback; further connections are closed at once',
    code: 'HEALTH_REQUEST_REFUSED',
  },
  healthTimeoutMs: {
    default: 5_000,
    unit: 'ms',
    reason: 'a request for health or metrics is one line and a few headers; after this time its connection is closed',
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
    reason: 'one system call on the file system of the store; waiting for a thread and computing do not count',
    code: 'STORE_STALLED',
  },
  workerIdleMs: {
    default: 15_000,
    unit: 'ms',
    reason:
      'layers come in bursts, when a pod starts; afterwards the worker threads of the daemon, and what they have left behind, only hold memory; after two and three times as long without a thread, more memory and code are given back',
    effect: 'paces',
    // The longest time that a timer of Node can wait.
    greatest: 2 ** 31 - 1,
  },
  volumeTimeoutMs: {
    default: 45_000,
    unit: 'ms',
    reason: 'preparing the image store; the kata agent waits 50 s for it',
    code: 'VOLUME_STALLED',
  },
  maxMountedVolumes: {
    default: 128,
    unit: 'count',
    reason: 'encrypted emptyDir volumes that are mounted or have failed; the host chooses how many it asks for',
    code: 'VOLUME_LIMIT_EXCEEDED',
  },
  maxProgramOutputBytes: {
    default: 64 * KIB,
    unit: 'bytes',
    reason: 'output of cryptsetup, mkfs.ext4 and credential helpers is held in memory; the rest is dropped',
    effect: 'cuts',
  },
  credentialHelperTimeoutMs: {
    default: 60_000,
    unit: 'ms',
    reason: 'a credential helper may ask the user to unlock a keychain, or request a token from a cloud',
    code: 'AUTHFILE_HELPER_FAILED',
  },
  lockTimeoutMs: {
    default: 20 * 60_000,
    unit: 'ms',
    reason: 'the longest time that the kata agent gives a pull',
    code: 'STORE_LOCK_TIMEOUT',
  },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof LIMITS;
/** The limits whose breach is an error. */
export type RefusingLimit = {
  [Name in LimitName]: (typeof LIMITS)[Name] extends { readonly code: ErrorCode } ? Name : never;
}[LimitName];
export type Limits = { readonly [Name in LimitName]: number };

export const DEFAULT_LIMITS = Object.freeze(
  Object.fromEntries(Object.entries(LIMITS).map(([name, limit]) => [name, limit.default])),
) as Limits;

/** The smallest and the largest value that a limit may be set to. */
export interface Bounds {
  readonly least: number;
  readonly greatest: number;
}

/**
 * The longest delay of a timer; a timer with a longer delay fires at once.
 * https://nodejs.org/api/timers.html#settimeoutcallback-delay-args
 */
const LONGEST_MS = 2 ** 31 - 1;

export function boundsOf(name: LimitName): Bounds {
  const { unit, least = 1, greatest = unit === 'ms' ? LONGEST_MS : Number.MAX_SAFE_INTEGER }: Limit = LIMITS[name];
  return { least, greatest };
}
