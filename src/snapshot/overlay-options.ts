/** mount(2) copies one page of options, with a final NUL. */
const MAX_OPTION_BYTES = 4095;

/**
 * Switches off the features of overlayfs that a layer or an untrusted disk could control.
 * https://docs.kernel.org/filesystems/overlayfs.html#permission-model
 */
export const FIXED_OPTIONS: ReadonlyArray<readonly [key: string, value: string]> = [
  ['redirect_dir', 'nofollow'],
  ['metacopy', 'off'],
  ['index', 'off'],
  ['xino', 'off'],
];

export interface OverlayDirectories {
  /** Topmost first. */
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
}

/** Returns the option text of mount(2), or undefined when it is longer than the kernel accepts. */
export function formatOverlayOptions(directories: OverlayDirectories): string | undefined {
  const { lowers, upper, work } = directories;
  const options = [
    ...FIXED_OPTIONS.map(([key, value]) => `${key}=${value}`),
    `lowerdir=${lowers.map((lower) => escapeOption(lower).replaceAll(':', '\\:')).join(':')}`,
    `upperdir=${escapeOption(upper)}`,
    `workdir=${escapeOption(work)}`,
  ].join(',');
  return Buffer.byteLength(options) <= MAX_OPTION_BYTES ? options : undefined;
}

function escapeOption(path: string): string {
  return path.replace(/[\\,]/g, '\\$&');
}
