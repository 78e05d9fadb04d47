import type { Attack } from './attack.ts';
import { LINK_ATTACKS } from './link-attacks.ts';
import { NAME_ATTACKS } from './name-attacks.ts';

/** Every way we know in which a layer may try to leave its root. The writers are tried with all of them, in every form. */
export const ATTACKS: readonly Attack[] = [...NAME_ATTACKS, ...LINK_ATTACKS];
