import type { ServerIdentity } from '../api/index.ts';
import type { Run } from '../operations/index.ts';
import type { Usability } from '../platform/index.ts';
import type { ChosenLayerFormat, LayerFormatProbe } from '../snapshot/index.ts';
import type { Abilities, DaemonFindings, DaemonSituation, SocketFacts } from './daemon-types.ts';
import type { ClockFacts, Programs, ResourceFacts } from './machine-types.ts';
import type { NameOutcome, NetworkFindings, NetworkPorts, ResolverFacts } from './network-types.ts';

export type CheckStatus = 'ok' | 'warn' | 'fail' | 'skipped';

/** One thing that was looked at. */
export interface Check {
  /** For scripts: lower case, words joined by hyphens; never changes its meaning. */
  readonly name: string;
  /** What it is about where there may be several of this name: a host, an image. */
  readonly subject?: string;
  /** `warn`: works, but not as well as it could. `fail`: pulls with a store will not work. */
  readonly status: CheckStatus;
  readonly detail: string;
  /** What to do about it; undefined when there is nothing to do. */
  readonly remedy: string | undefined;
}

export const CHECK_GROUPS = ['machine', 'store', 'network', 'daemon'] as const;
export type CheckGroup = (typeof CHECK_GROUPS)[number];

export interface ReportedCheck extends Check {
  readonly group: CheckGroup;
}

export interface DoctorReport {
  /** By their groups. */
  readonly checks: readonly ReportedCheck[];
  /** Of new layers; undefined without root, where layers cannot be kept. */
  readonly layerFormat: ChosenLayerFormat | undefined;
}

/** What the kernel offers. */
export interface MachineFacts {
  readonly systemCalls: Usability;
  readonly overlay: Usability;
  /** `lowerdir+`, one setting for each layer. */
  readonly appendedLowers: Usability;
}

/** A directory of the store, or what is nearest to it as long as it does not exist. */
export interface DirectoryFacts {
  readonly path: string;
  /** The nearest directory that exists. */
  readonly examined: string;
  readonly freeBytes: number;
  readonly sizeBytes: number;
  /** Undefined where the file system makes them as it needs them. */
  readonly freeInodes: number | undefined;
  /** The magic number of statfs(2). */
  readonly fileSystem: number;
  readonly writable: Usability;
  readonly userXattrs: Usability;
  readonly trustedXattrs: Usability;
}

/** What may wait for a disk or loads the kernel's modules: synchronous, done in a worker, plain data in and out. */
export interface DoctorOperations {
  examineMachine(request: { readonly asRoot: boolean }): MachineFacts;
  examineDirectory(request: { readonly path: string }): DirectoryFacts;
  /** Of what the kernel shows by itself: nothing is loaded. */
  examineKernel(request: { readonly release: string }): Abilities;
  examineSocket(request: { readonly path: string }): SocketFacts;
  /** In the folders where programs are run from, or in those of `path`; each that is known is asked for its version. */
  examinePrograms(request: { readonly names: readonly string[]; readonly path?: string }): Programs;
  /** Of the process that listens on the socket, else of this one. */
  examineResources(request: { readonly socketPath: string | undefined }): ResourceFacts;
  examineClock(request: Readonly<Record<string, never>>): ClockFacts;
  readResolver(request: { readonly path: string }): ResolverFacts;
  /** All at once, as connections have them looked up; what takes longer is told as such. */
  resolveNames(request: {
    readonly hosts: readonly string[];
    readonly timeoutMs: number;
  }): Promise<readonly NameOutcome[]>;
  /** Undefined: there is no such plain file. */
  readAgentFile(request: { readonly path: string }): string | undefined;
}

export interface DoctorPorts {
  /** As `uname -r` prints it. */
  readonly kernelRelease: string;
  readonly isRoot: boolean;
  readonly dataDir: string;
  readonly stateDir: string;
  /** Room in `dataDir` that a pull leaves free. */
  readonly minFreeBytes: number;
  readonly runOperation: Run<DoctorOperations>;
  /** Mounts a tiny image from an existing directory. */
  readonly probeLayerFormats: (directory: string) => Promise<LayerFormatProbe>;
  /** Throws `SNAPSHOT_FORMAT_UNSUPPORTED`. */
  readonly chooseLayerFormat: (probe: LayerFormatProbe) => ChosenLayerFormat;
  /** Whether this Node decompresses without the event loop. */
  readonly canInflateSynchronously: () => boolean;
  /** Milliseconds since 1970, as this machine has it. */
  readonly wallNowMs: () => number;
  readonly network: NetworkPorts;
  /** Programs that credentials files name, and where they are looked for (PATH); none for the daemon. */
  readonly credentialHelpers: { readonly names: readonly string[]; readonly path: string };
  /** Undefined: only what the command line's own store stands on is looked at. */
  readonly daemon?: DaemonDoctorPorts;
}

export interface DaemonDoctorPorts {
  readonly view: DaemonSituation;
  /** Who answers on a socket; the question changes nothing there. */
  readonly identifyServer: (path: string) => Promise<ServerIdentity>;
}

/** What was found out, for the checks to judge. Undefined: not looked at, since it takes root. */
export interface Findings extends Pick<DoctorPorts, 'kernelRelease' | 'isRoot' | 'minFreeBytes'> {
  readonly machine: MachineFacts;
  readonly data: DirectoryFacts;
  readonly state: DirectoryFacts;
  readonly layerFormats: LayerFormatProbe | undefined;
  readonly choice: ChosenLayerFormat | { readonly refused: string } | undefined;
  readonly inflatesSynchronously: boolean;
  readonly resources: ResourceFacts;
  readonly clock: ClockFacts & { readonly nowMs: number };
  readonly runtimes: Programs;
  readonly credentialHelpers: Programs;
  readonly network: NetworkFindings;
  readonly daemon: DaemonFindings | undefined;
}
