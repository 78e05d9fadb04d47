import type { ServerIdentity } from '../api/index.ts';
import type { AgentTimeouts } from '../config/index.ts';
import type { VolumeIntegrity, VolumeStatus } from '../volume/index.ts';
import type { Programs } from './machine-types.ts';
import type { Trouble } from './trouble.ts';

/** What the daemon was told and what it has left behind, as far as it is known without touching anything. */
export interface DaemonSituation {
  /** Why no image is pulled with its configuration. */
  readonly obstacle: Trouble | undefined;
  /** Settings of it that have no effect. */
  readonly warnings: readonly string[];
  readonly integrity: VolumeIntegrity;
  readonly socketPaths: readonly string[];
  readonly store: VolumeStatus;
  readonly timeouts: AgentTimeouts;
}

/** A file in the place of a socket. */
export type SocketFacts =
  | { readonly kind: 'absent' | 'other' }
  | { readonly kind: 'socket'; readonly owner: number; readonly mode: number };

export interface SocketFinding {
  readonly path: string;
  readonly facts: SocketFacts;
  /** Asked where there is a socket. */
  readonly server: ServerIdentity | undefined;
}

export const ABILITIES = ['dm-crypt', 'dm-integrity', 'dm-verity', 'aegis128'] as const;
export type AbilityName = (typeof ABILITIES)[number];

/** `loadable`: as a module, when it is first used. */
export type Ability = 'ready' | 'loadable' | 'absent';
export type Abilities = Readonly<Record<AbilityName, Ability>>;

export interface DaemonFindings extends DaemonSituation {
  readonly sockets: readonly SocketFinding[];
  readonly abilities: Abilities;
  readonly programs: Programs;
}
