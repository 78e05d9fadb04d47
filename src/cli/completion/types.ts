/** What may stand in a place of a command line. */
export type ValueKind =
  | { readonly kind: 'file' | 'directory' | 'image' | 'any' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] };

export interface CompletedFlag {
  /** `-c`, `--config-file` */
  readonly names: readonly string[];
  readonly description: string;
  /** Undefined: it takes none. */
  readonly value: ValueKind | undefined;
  /** The value stands behind `=` and nowhere else, and may be left out. */
  readonly isBound: boolean;
}

export interface CompletedCommand {
  /** Words behind the program: empty for the program itself, else `store status`. */
  readonly path: string;
  readonly description: string;
  readonly flags: readonly CompletedFlag[];
  readonly commands: readonly CompletedCommand[];
  /** Of every argument; undefined: there are none. */
  readonly argument: { readonly value: ValueKind; readonly isVariadic: boolean } | undefined;
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];
