/** A program that was found. */
export interface Program {
  readonly path: string;
  /** `2.6.1`; undefined when it does not say. */
  readonly version: string | undefined;
}

/** By their names; undefined: nowhere that is looked at. */
export type Programs = Readonly<Record<string, Program | undefined>>;

/** What a process may take of the machine. Undefined: nobody has set a bound. */
export interface ResourceFacts {
  /** Whose bounds these are: the daemon's, where one listens. */
  readonly of: 'daemon' | 'doctor';
  readonly availableMemoryBytes: number | undefined;
  /** The least of its control group and those above. */
  readonly memoryLimitBytes: number | undefined;
  readonly openFiles: number | undefined;
  /** Of the whole machine. */
  readonly systemFiles: { readonly used: number; readonly limit: number } | undefined;
  /** Threads that may still be started. */
  readonly threadsLeft: number | undefined;
  readonly loops: LoopFacts;
}

export interface LoopFacts {
  /** Devices that show a file. */
  readonly used: number;
  /** Nodes in /dev. */
  readonly nodes: number;
  /** The kernel makes nodes in /dev when it makes devices. */
  readonly isManaged: boolean;
}

export interface ClockFacts {
  /** Undefined: the kernel does not say. */
  readonly isSynchronized: boolean | undefined;
}
