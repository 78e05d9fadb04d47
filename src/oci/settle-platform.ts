import type { ImageConfig } from './image-config.ts';
import { formatPlatform, normalizePlatform, type Platform } from './platform.ts';

export interface SettledConfig {
  /** The config with the platform that counts. */
  readonly config: ImageConfig;
  /** Set if the config says something else than what counts: one sentence that names both platforms. */
  readonly warning: string | undefined;
}

/**
 * Decides which platform an image is for. An index that lists it decides: builders write their own machine into the
 * configs of images for others, or nothing. Without an index (`listed` is undefined) the config's word counts, also
 * where it is not the platform that was asked for, because a manifest is the only one under its name.
 */
export function settlePlatform(config: ImageConfig, wanted: Platform, listed: Platform | undefined): SettledConfig {
  const expected = normalizePlatform(listed ?? wanted);
  const said = normalizePlatform(config);
  if (said.os === expected.os && said.architecture === expected.architecture) return { config, warning: undefined };
  const { os, architecture, variant } = listed === undefined ? completed(said, expected) : expected;
  const which = listed === undefined ? 'the image was asked for as' : 'its index lists the image as';
  const effect = listed === undefined ? '' : ', and the index counts';
  return {
    config: { ...config, os, architecture, variant },
    warning: `${which} ${formatPlatform(expected)}, but its config ${describe(config)}${effect}`,
  };
}

/** Fills in what the config leaves out. */
function completed(said: Platform, { os, architecture, variant }: Platform): Platform {
  if (said.architecture === '') return { os: said.os || os, architecture, variant };
  return { ...said, os: said.os || os };
}

/** Returns what the config itself says, without a variant that it leaves out. */
function describe(written: Platform): string {
  const { os, architecture } = written;
  if (os !== '' && architecture !== '') return `says ${formatPlatform(written)}`;
  if (os === '' && architecture === '') return 'names no platform';
  return os === '' ? `says ${architecture} and names no operating system` : `says ${os} and names no architecture`;
}
