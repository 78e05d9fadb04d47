import type { ServerIdentity } from '../api/index.ts';
import type { AgentTimeouts, IntegrityAlgorithm } from '../config/index.ts';
import type { PlainError } from '../errors/index.ts';
import type { VolumeStatus } from '../volume/index.ts';
import type { Programs } from './machine-types.ts';

/** The configuration of the daemon and what it has recorded, read without changing anything. */
export interface DaemonSituation {
  /** Why the daemon refuses every pull with this configuration. */
  readonly obstacle: Pick<PlainError, 'code' | 'message' | 'hint'> | undefined;
  /** True when the files cannot be used, so that the default settings hold in their place. */
  readonly usesDefaults: boolean;
  /** Its settings without effect. */
  readonly warnings: readonly string[];
  readonly integrity: IntegrityAlgorithm;
  readonly socketPaths: readonly string[];
  readonly store: VolumeStatus;
  readonly timeouts: AgentTimeouts;
}

/** What is at the path of a socket. */
export type SocketFacts =
  | { readonly kind: 'absent' | 'other' }
  | { readonly kind: 'socket'; readonly owner: number; readonly mode: number };

export interface SocketFinding {
  readonly path: string;
  readonly facts: SocketFacts;
  /** The program that answers; undefined: there is no socket. */
  readonly server: ServerIdentity | undefined;
}

export const ABILITIES = ['dm-crypt', 'dm-integrity', 'dm-verity', 'aegis128'] as const;
export type AbilityName = (typeof ABILITIES)[number];

/** `loadable`: the kernel loads a module when it is first used. */
export type Ability = 'ready' | 'loadable' | 'absent';
export type Abilities = Readonly<Record<AbilityName, Ability>>;

export interface DaemonFindings extends DaemonSituation {
  readonly sockets: readonly SocketFinding[];
  readonly abilities: Abilities;
  readonly programs: Programs;
}
