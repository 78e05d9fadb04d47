import type { ErrorCode } from '../../../../src/errors/index.ts';
import type { CellServers, CellTexts, ImageKind, Observation } from '../../../support/beds/cell-bed.ts';

export type Seen = Partial<Observation>;
/**
 * `honoured`: the effect of the row was seen. `ignored`: the pull behaves as without the setting. A code: the pull is
 * refused with it.
 */
export type Verdict = 'honoured' | 'ignored' | ErrorCode;

export interface Cell {
  readonly source: string;
  readonly says: (servers: CellServers) => CellTexts;
  /** The verdicts for an image that is pinned by digest, and for a tag. */
  readonly verdicts: readonly [Verdict, Verdict];
  /** Part of a warning that the daemon logs at start. */
  readonly remark?: string;
  /** Servers that may have been asked before a refusal; none when absent. */
  readonly askedBefore?: readonly string[];
}

/** One thing that can be configured, and the effect that shows whether it holds. */
export interface Row {
  readonly what: string;
  readonly name: (servers: CellServers) => string;
  readonly common: (servers: CellServers) => CellTexts;
  readonly effect: Seen;
  /** What a pull does when no source sets it. */
  readonly absence: Seen | Readonly<Record<ImageKind, Seen>>;
  readonly cells: readonly Cell[];
}

export const PULLED = { result: 'pulled', layerFetches: 2 } as const;
export const REFUSED: readonly [Verdict, Verdict] = ['CONFIG_CLASS_REFUSED', 'CONFIG_CLASS_REFUSED'];
export const HONOURED: readonly [Verdict, Verdict] = ['honoured', 'honoured'];
export const IGNORED: readonly [Verdict, Verdict] = ['ignored', 'ignored'];
/** The verdicts for settings that only help bytes arrive. */
export const PINNED_ONLY: readonly [Verdict, Verdict] = ['honoured', 'CONFIG_CLASS_REFUSED'];

export const registry = (prefix: string, lines: string) => `[[registry]]\nprefix = "${prefix}"\n${lines}`;
export const insecure = (host: string) => registry(host, `location = "${host}"\ninsecure = true`);
/** Puts the text before `conf` in the daemon's file, for cells that configure everything there. */
export const inline = (host: string, lines: string) =>
  `[[image.registry_config.registry]]\nprefix = "${host}"\ninsecure = true\n${lines}`;
export const auths = (host: string, servers: CellServers) =>
  servers.write('auth.json', JSON.stringify({ auths: { [host]: { username: 'me', password: 'secret' } } }));
export const asMe = `Basic ${Buffer.from('me:secret').toString('base64')}`;
/** The folders of a user that the host has made up. */
export const home = (path: string) => ({ environment: { HOME: path, XDG_CONFIG_HOME: `${path}/.config` } });
export const homeWith = (servers: CellServers, name: string, content: string) => {
  const path = servers.write(name, content);
  return home(path.slice(0, -name.length - 1));
};

export const pem = (authority: string) => `"""${authority}"""`;
