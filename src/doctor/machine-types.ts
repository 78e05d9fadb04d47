/** A program that was found. */
export interface Program {
  readonly path: string;
  /** `2.6.1`; undefined when the program does not print one. */
  readonly version: string | undefined;
}

/** Programs by their names; undefined: not in the folders that were searched. */
export type Programs = Readonly<Record<string, Program | undefined>>;

/** The limits of a process. Undefined: no limit is set. */
export interface ResourceFacts {
  /** The process with these limits: the daemon, if one listens, else the doctor itself. */
  readonly of: 'daemon' | 'doctor';
  readonly availableMemoryBytes: number | undefined;
  /** The lowest limit of its control group and those above. */
  readonly memoryLimitBytes: number | undefined;
  readonly openFiles: number | undefined;
  /** The open files of the whole machine. */
  readonly systemFiles: { readonly used: number; readonly limit: number } | undefined;
  /** The number of threads that may still be started. */
  readonly threadsLeft: number | undefined;
  readonly loops: LoopFacts;
}

export interface LoopFacts {
  /** The number of devices with a file. */
  readonly used: number;
  /** The number of nodes in /dev. */
  readonly nodes: number;
  /** True: the kernel makes nodes in /dev when it makes devices. */
  readonly isManaged: boolean;
}

/** What inflates gzip layers. `isRefused`: a libisal was found and not accepted. */
export type InflateFinding =
  | { readonly engine: 'isal'; readonly path: string }
  | { readonly engine: 'zlib'; readonly reason: string; readonly isRefused: boolean };

export interface ClockFacts {
  /** Undefined: the kernel does not report it. */
  readonly isSynchronized: boolean | undefined;
}
