import { SealiftError } from '../errors/index.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | undefined;
}

/** Maps names of `uname -m`, Node's `process.arch` and Debian to GOARCH and variant, which image indexes use. */
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
  // Node has one name for the big- and the little-endian port, and only the latter runs on Linux.
  ['ppc64', ['ppc64le']],
  ['mipsel', ['mipsle']],
] as const);

const DEFAULT_VARIANTS: ReadonlyMap<string, string> = new Map([
  ['arm', 'v7'],
  ['arm64', 'v8'],
]);

const PART = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

/**
 * Returns one spelling for platforms that are the same: `aarch64` becomes `arm64`, arm64 defaults to v8 and arm to v7,
 * and amd64 v1 has no variant.
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

/** Parses `os/architecture[/variant]` and normalises it. Throws `PLATFORM_INVALID`. */
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

/** Returns the platform of a Linux machine on which `process.arch` of Node is `nodeArchitecture`. */
export function hostPlatform(nodeArchitecture: string): Platform {
  return normalizePlatform({ os: 'linux', architecture: nodeArchitecture, variant: undefined });
}
