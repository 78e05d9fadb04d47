/** Which rooms a room may import. A room that is not listed may import nothing. */
export const ROOM_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  bytes: [],
  errors: [],
  limits: ['errors'],
  oci: ['errors', 'limits'],
  platform: ['errors', 'limits'],
  log: ['errors'],
  resources: ['errors'],
  config: ['errors', 'limits', 'oci', 'resources'],
  // Documents of the key broker; loaded for the first one that is needed.
  keybroker: ['errors', 'limits', 'oci', 'http', 'ttrpc', 'resources'],
  http: ['errors', 'limits'],
  'layer-formats': ['errors', 'oci'],
  unpack: ['bytes', 'errors', 'limits', 'platform'],
  // What is known of an applied layer; its lists of paths stay in a file.
  'layer-facts': ['bytes', 'errors', 'limits', 'platform'],
  layer: [
    ...['bytes', 'errors', 'limits', 'oci', 'platform', 'http'],
    ...['unpack', 'layer-facts', 'layer-formats', 'slots'],
  ],
  slots: [],
  // How work that may block on a disk is described and called; the rooms define it.
  operations: ['errors'],
  workers: ['errors', 'limits', 'http', 'layer', 'layer-formats', 'operations'],
  registry: ['errors', 'limits', 'oci', 'http'],
  archive: ['errors', 'limits', 'oci', 'platform'],
  // Where an image may be fetched, with which transport and credentials.
  endpoints: ['limits', 'oci', 'platform', 'http', 'config', 'registry', 'resources'],
  // Where signatures are kept apart from registries.
  lookaside: ['errors', 'limits', 'oci', 'http', 'config', 'endpoints', 'resources'],
  signature: ['errors', 'limits', 'oci', 'resources', 'slots'],
  store: ['bytes', 'errors', 'limits', 'oci', 'platform', 'layer-formats'],
  snapshot: ['bytes', 'errors', 'limits', 'platform', 'layer-facts', 'layer-formats'],
  bundle: ['errors', 'limits', 'oci', 'platform'],
  volume: ['errors', 'limits', 'platform'],
  doctor: ['errors', 'oci', 'platform', 'http'],
  pull: [
    ...['errors', 'limits', 'oci'],
    ...['registry', 'archive', 'signature', 'layer', 'store', 'snapshot', 'bundle', 'layer-formats'],
  ],
  cli: ['errors', 'oci', 'config', 'pull'],
  daemon: ['errors', 'config', 'log', 'pull', 'slots', 'volume', 'layer-formats'],
  ttrpc: ['errors', 'limits'],
  health: ['errors', 'limits', 'ttrpc'],
  api: ['errors', 'limits', 'log', 'ttrpc'],
  // The entry of the worker threads is a composition root like `compose`.
  worker: ['workers', 'operations', 'store', 'snapshot', 'bundle', 'doctor', 'volume', 'archive', 'signature'],
  // The only room that ties the others together.
  compose: [
    ...['errors', 'limits', 'oci', 'platform', 'config', 'log'],
    ...['archive', 'signature', 'layer', 'store', 'snapshot', 'bundle'],
    ...['pull', 'cli', 'api', 'daemon', 'doctor', 'health', 'volume', 'operations', 'workers'],
    ...['endpoints', 'lookaside', 'resources', 'keybroker'],
  ],
  bin: ['compose', 'cli', 'errors'],
};

/** Which rooms a room may import types from, in addition to the table above: the data and the ports of its users. */
export const ROOM_TYPE_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  'layer-facts': ['unpack'],
  'layer-formats': ['limits'],
  store: ['layer-facts', 'operations'],
  snapshot: ['operations', 'unpack'],
  config: ['http', 'registry', 'signature'],
  keybroker: ['config'],
  archive: ['layer', 'operations', 'registry'],
  compose: ['worker'],
  volume: ['config', 'operations'],
  doctor: ['api', 'config', 'endpoints', 'operations', 'snapshot', 'volume'],
  cli: ['doctor', 'signature', 'volume'],
  health: ['daemon', 'platform', 'volume'],
  endpoints: ['signature'],
  lookaside: ['signature'],
  signature: ['operations'],
  pull: ['config', 'endpoints', 'layer-facts', 'operations'],
  daemon: ['api', 'platform', 'resources'],
};

/** Folders that are rooms of their own inside a room. Their index may be imported from outside. */
export const SUB_ROOMS: readonly string[] = [
  'src/unpack/tar',
  'src/unpack/tree',
  'src/unpack/directory',
  'src/unpack/erofs',
  // What a worker does with a layer. The main thread loads the room's index only.
  'src/layer/roles',
  'src/signature/policy',
  // What a worker does with a signature. The main thread loads the room's index only.
  'src/signature/checks',
  // Only one command of the command line loads it.
  'src/signature/policy-check',
];

/** Files apart from an index that other rooms may import. */
export const OPEN_FILES: readonly string[] = [
  // undici costs 38 MB of memory where it is loaded, so the worker's transport is not part of the index.
  'src/http/transport.ts',
  // The worker's loop, which only the entry of the worker threads loads.
  'src/workers/serve-worker.ts',
  // Each program loads its own wiring, and the other's with everything behind it stays out of memory.
  'src/compose/cli.ts',
  'src/compose/start-daemon.ts',
];

/** Tables of data, which may be longer than other files: cutting one in two makes it harder to search. */
export const TABLE_FILES: readonly string[] = ['src/errors/codes.ts', 'src/limits/limits.ts'];

/** Folders that only decide: no code in them uses anything outside the process. */
export const PURE_FOLDERS: readonly string[] = [
  'src/oci',
  'src/errors',
  'src/bytes',
  'src/limits',
  'src/unpack/tar',
  'src/unpack/tree',
  'src/signature/policy',
];

/** The same for files by the beginning of their path. */
export const PURE_FILES: readonly string[] = ['src/unpack/erofs/layout-'];

export const PURE_BUILTINS: readonly string[] = ['node:buffer', 'node:crypto', 'node:util', 'node:string_decoder'];

export const IMPURE_EXPRESSIONS: readonly RegExp[] = [
  /\bDate\.now\b/,
  /\bnew Date\(\)/,
  /\bMath\.random\b/,
  /\bprocess\./,
  /\bfetch\(/,
  /\bset(?:Timeout|Interval|Immediate)\(/,
];

/** Who may import which npm package, as a prefix or an ending of the importing file's path. */
export const PACKAGE_OWNERS: Readonly<Record<string, (path: string) => boolean>> = {
  openpgp: (path) => path.startsWith('src/signature/simple-signing/'),
  undici: (path) => path.startsWith('src/http/'),
  'tar-stream': (path) => path.startsWith('src/archive/'),
  pino: (path) => path.startsWith('src/log/'),
  commander: (path) => path.startsWith('src/cli/'),
  yaml: (path) => path.startsWith('src/config/'),
  'smol-toml': (path) => path.startsWith('src/config/'),
  '@bufbuild/protobuf': (path) => path.startsWith('src/ttrpc/'),
  zod: (path) => /(?:^|[/-])schema\.ts$/.test(path),
};

/** Rooms on the layer path and around the store: a disk that stops answering must never hold a promise of ours. */
export const SYNCHRONOUS_FOLDERS: readonly string[] = [
  'src/store',
  'src/snapshot',
  'src/unpack',
  'src/layer',
  'src/layer-facts',
  'src/workers',
  'src/bundle',
  'src/doctor',
  'src/volume',
  'src/archive',
];

/** `src/store/x.ts` → `store`, `src/compose/cli.ts` → `compose`. */
export function roomOf(path: string): string {
  if (path === 'src/compose/worker.ts' || path === 'src/compose/operations.ts') return 'worker';
  const [, first = ''] = path.split('/');
  return first.replace(/\.ts$/, '');
}
