import type { ErrorCode } from '../../../../src/errors/index.ts';
import type { CellServers, CellTexts, ImageKind, Observation } from '../../../support/beds/cell-bed.ts';

export type Seen = Partial<Observation>;
/** `honoured`: the row's effect was seen. `ignored`: all is as if nobody had said it. A code: refused with it. */
export type Verdict = 'honoured' | 'ignored' | ErrorCode;

export interface Cell {
  readonly source: string;
  readonly says: (servers: CellServers) => CellTexts;
  /** For an image that is pinned by digest, and for a tag. */
  readonly verdicts: readonly [Verdict, Verdict];
  /** Of the warnings at start. */
  readonly remark?: string;
  /** Who may have been asked by the time of a refusal; nobody when absent. */
  readonly askedBefore?: readonly string[];
}

/** One thing that can be configured, and what shows whether it holds. */
export interface Row {
  readonly what: string;
  readonly name: (servers: CellServers) => string;
  readonly common: (servers: CellServers) => CellTexts;
  readonly effect: Seen;
  /** When nobody says it. */
  readonly absence: Seen | Readonly<Record<ImageKind, Seen>>;
  readonly cells: readonly Cell[];
}

export const PULLED = { result: 'pulled', layerFetches: 2 } as const;
export const REFUSED: readonly [Verdict, Verdict] = ['CONFIG_CLASS_REFUSED', 'CONFIG_CLASS_REFUSED'];
export const HONOURED: readonly [Verdict, Verdict] = ['honoured', 'honoured'];
export const IGNORED: readonly [Verdict, Verdict] = ['ignored', 'ignored'];
/** What only helps bytes arrive. */
export const PINNED_ONLY: readonly [Verdict, Verdict] = ['honoured', 'CONFIG_CLASS_REFUSED'];

export const registry = (prefix: string, lines: string) => `[[registry]]\nprefix = "${prefix}"\n${lines}`;
export const insecure = (host: string) => registry(host, `location = "${host}"\ninsecure = true`);
/** Before `conf` in the file of the daemon, for cells that say the whole of it there. */
export const inline = (host: string, lines: string) =>
  `[[image.registry_config.registry]]\nprefix = "${host}"\ninsecure = true\n${lines}`;
export const auths = (host: string, servers: CellServers) =>
  servers.write('auth.json', JSON.stringify({ auths: { [host]: { username: 'me', password: 'secret' } } }));
export const asMe = `Basic ${Buffer.from('me:secret').toString('base64')}`;
/** The folders of a user whom the host has made up. */
export const home = (path: string) => ({ environment: { HOME: path, XDG_CONFIG_HOME: `${path}/.config` } });
export const homeWith = (servers: CellServers, name: string, content: string) => {
  const path = servers.write(name, content);
  return home(path.slice(0, -name.length - 1));
};

export const pem = (authority: string) => `"""${authority}"""`;
