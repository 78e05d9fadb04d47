/** The values that a flag or an argument takes. */
export type ValueKind =
  | { readonly kind: 'file' | 'directory' | 'image' | 'any' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] };

export interface CompletedFlag {
  /** The spellings, such as `-c` and `--config-file`. */
  readonly names: readonly string[];
  readonly description: string;
  /** Undefined when the flag takes no value. */
  readonly value: ValueKind | undefined;
  /** True when the value is optional and may only follow `=`. */
  readonly isBound: boolean;
}

export interface CompletedCommand {
  /** The words after the program's name, such as `store status`; empty for the program itself. */
  readonly path: string;
  readonly description: string;
  readonly flags: readonly CompletedFlag[];
  readonly commands: readonly CompletedCommand[];
  /** What every argument is; undefined when the command takes none. */
  readonly argument: { readonly value: ValueKind; readonly isVariadic: boolean } | undefined;
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];
