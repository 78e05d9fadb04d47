import { SealiftError } from '../errors/index.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | undefined;
}

/** Names of `uname -m`, of Node's `process.arch` and of Debian → GOARCH and variant, which image indexes use. */
const ARCHITECTURES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map([
  ['x64', ['amd64']],
  ['x86_64', ['amd64']],
  ['x86-64', ['amd64']],
  ['ia32', ['386']],
  ['i386', ['386']],
  ['i686', ['386']],
  ['aarch64', ['arm64']],
  ['armhf', ['arm', 'v7']],
  ['armel', ['arm', 'v6']],
  ['loong64', ['loong64']],
  // Node names the big- and little-endian ports alike, and only the latter runs on Linux.
  ['ppc64', ['ppc64le']],
  ['mipsel', ['mipsle']],
] as const);

const DEFAULT_VARIANTS: ReadonlyMap<string, string> = new Map([
  ['arm', 'v7'],
  ['arm64', 'v8'],
]);

const PART = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

/**
 * One spelling for what means the same: `aarch64` is `arm64`, arm64 is v8 and arm v7 unless said otherwise, and
 * amd64 v1 goes without a variant.
 */
export function normalizePlatform(platform: Platform): Platform {
  const written = platform.architecture.toLowerCase();
  const [architecture, impliedVariant] = ARCHITECTURES.get(written) ?? [written];
  const given = platform.variant?.toLowerCase() || impliedVariant;
  const named = given !== undefined && /^[0-9]/.test(given) ? `v${given}` : given;
  const variant =
    architecture === 'amd64' && named === 'v1' ? undefined : (named ?? DEFAULT_VARIANTS.get(architecture));
  return { os: platform.os.toLowerCase(), architecture, variant };
}

/** `os/architecture[/variant]`, normalised. Throws `PLATFORM_INVALID`. */
export function parsePlatform(text: string): Platform {
  const [os = '', architecture = '', variant, ...rest] = text.split('/');
  const platform = normalizePlatform({ os, architecture, variant });
  const parts = [platform.os, platform.architecture, ...(variant === undefined ? [] : [variant.toLowerCase()])];
  if (rest.length > 0 || !parts.every((part) => PART.test(part))) {
    throw new SealiftError('PLATFORM_INVALID', `platform "${text}": expected OS/ARCH or OS/ARCH/VARIANT`);
  }
  return platform;
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter((part) => part).join('/');
}

/** The platform of a Linux machine whose Node calls its architecture `nodeArchitecture` (`process.arch`). */
export function hostPlatform(nodeArchitecture: string): Platform {
  return normalizePlatform({ os: 'linux', architecture: nodeArchitecture, variant: undefined });
}
