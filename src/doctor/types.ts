import type { ServerIdentity } from '../api/index.ts';
import type { Run } from '../operations/index.ts';
import type { Resource, Usability } from '../platform/index.ts';
import type { ChosenLayerFormat, LayerFormatProbe } from '../snapshot/index.ts';
import type { Abilities, DaemonFindings, DaemonSituation, SocketFacts } from './daemon-types.ts';
import type { ClockFacts, InflateFinding, Programs, ResourceFacts } from './machine-types.ts';
import type { NameOutcome, NetworkFindings, NetworkPorts, ResolverFacts } from './network-types.ts';

export type CheckStatus = 'ok' | 'warn' | 'fail' | 'skipped';

/** The result of one check. */
export interface Check {
  /** The name for scripts: lower case, words joined by hyphens. It never changes its meaning. */
  readonly name: string;
  /** The host or image, where several checks have this name. */
  readonly subject?: string;
  /** `warn`: works, but not as well as it could. `fail`: pulls with a store will not work. */
  readonly status: CheckStatus;
  readonly detail: string;
  /** What to do; undefined: nothing. */
  readonly remedy: string | undefined;
}

export const CHECK_GROUPS = ['machine', 'store', 'network', 'daemon'] as const;
export type CheckGroup = (typeof CHECK_GROUPS)[number];

export interface ReportedCheck extends Check {
  readonly group: CheckGroup;
}

export interface DoctorReport {
  /** Ordered by groups. */
  readonly checks: readonly ReportedCheck[];
  /** The format of new layers; undefined without root, where layers cannot be stored. */
  readonly layerFormat: ChosenLayerFormat | undefined;
}

/** What the kernel supports. */
export interface MachineFacts {
  readonly systemCalls: Usability;
  readonly overlay: Usability;
  /** `lowerdir+`, one setting for each layer. */
  readonly appendedLowers: Usability;
}

/** A directory of the store, or the nearest one that exists. */
export interface DirectoryFacts {
  readonly path: string;
  /** The nearest directory that exists. */
  readonly examined: string;
  readonly freeBytes: number;
  readonly sizeBytes: number;
  /** Undefined: the file system makes inodes when they are needed. */
  readonly freeInodes: number | undefined;
  /** The magic number of statfs(2). */
  readonly fileSystem: number;
  readonly writable: Usability;
  /** What the file system had too little of for the smallest file. */
  readonly lacks?: Resource;
  readonly userXattrs: Usability;
  readonly trustedXattrs: Usability;
}

/** Work that may wait for a disk or load kernel modules: done in a worker, with plain data in and out. */
export interface DoctorOperations {
  examineMachine(request: { readonly asRoot: boolean }): MachineFacts;
  examineDirectory(request: { readonly path: string }): DirectoryFacts;
  /** Reads only what the kernel already exposes; no module is loaded. */
  examineKernel(request: { readonly release: string }): Abilities;
  examineSocket(request: { readonly path: string }): SocketFacts;
  /** Looks in the folders that programs run from, or in those of `path`. Known programs are asked for their versions. */
  examinePrograms(request: { readonly names: readonly string[]; readonly path?: string }): Programs;
  /** Examines the process that listens on the socket, else this one. */
  examineResources(request: { readonly socketPath: string | undefined }): ResourceFacts;
  examineClock(request: Readonly<Record<string, never>>): ClockFacts;
  readResolver(request: { readonly path: string }): ResolverFacts;
  /** Resolves all names at once, as connections do. A name that takes longer than `timeoutMs` is reported as such. */
  resolveNames(request: {
    readonly hosts: readonly string[];
    readonly timeoutMs: number;
  }): Promise<readonly NameOutcome[]>;
  /** Undefined: there is no such plain file. */
  readAgentFile(request: { readonly path: string }): string | undefined;
}

export interface DoctorPorts {
  /** The output of `uname -r`. */
  readonly kernelRelease: string;
  readonly isRoot: boolean;
  readonly dataDir: string;
  readonly stateDir: string;
  /** The bytes of `dataDir` that a pull leaves free. */
  readonly minFreeBytes: number;
  readonly runOperation: Run<DoctorOperations>;
  /** Tries to mount a tiny image in an existing directory. */
  readonly probeLayerFormats: (directory: string) => Promise<LayerFormatProbe>;
  /** Throws `SNAPSHOT_FORMAT_UNSUPPORTED`. */
  readonly chooseLayerFormat: (probe: LayerFormatProbe) => ChosenLayerFormat;
  /** True when this Node inflates synchronously. */
  readonly canInflateSynchronously: () => boolean;
  /** Returns what inflates gzip layers, and why. */
  readonly chooseInflate: () => InflateFinding;
  /** Returns the time of this machine in milliseconds since 1970. */
  readonly wallNowMs: () => number;
  readonly network: NetworkPorts;
  /** The programs that credentials files name, and the PATH that they are looked for in; none for the daemon. */
  readonly credentialHelpers: { readonly names: readonly string[]; readonly path: string };
  /** Undefined: only what the command line needs is examined. */
  readonly daemon?: DaemonDoctorPorts;
}

export interface DaemonDoctorPorts {
  readonly view: DaemonSituation;
  /** Returns the program that answers on a socket. The question changes nothing there. */
  readonly identifyServer: (path: string) => Promise<ServerIdentity>;
}

/** The findings that checks are made of. Undefined: not examined, because that requires root. */
export interface Findings extends Pick<DoctorPorts, 'kernelRelease' | 'isRoot' | 'minFreeBytes'> {
  readonly machine: MachineFacts;
  readonly data: DirectoryFacts;
  readonly state: DirectoryFacts;
  readonly layerFormats: LayerFormatProbe | undefined;
  readonly choice: ChosenLayerFormat | { readonly refused: string } | undefined;
  readonly inflatesSynchronously: boolean;
  readonly inflate: InflateFinding;
  readonly resources: ResourceFacts;
  readonly clock: ClockFacts & { readonly nowMs: number };
  readonly runtimes: Programs;
  readonly credentialHelpers: Programs;
  readonly network: NetworkFindings;
  readonly daemon: DaemonFindings | undefined;
}
