import type { Ability, AbilityName } from './daemon-types.ts';

/** What the kernel exposes without being asked to do anything. */
export interface KernelEvidence {
  /** The types of device-mapper targets that are registered. */
  readonly targetTypes: readonly string[];
  /** The text of /proc/crypto. */
  readonly crypto: string;
  /** The texts of modules.builtin and modules.dep of this kernel; empty when it has none. */
  readonly builtinModules: string;
  readonly loadableModules: string;
  /** True when the program exists that the kernel starts to load modules. */
  readonly canLoad: boolean;
}

interface Signs {
  readonly targetType?: string;
  readonly cipher?: string;
  /** Each of them alone is enough. */
  readonly modules: readonly string[];
}

const SIGNS: Readonly<Record<AbilityName, Signs>> = {
  'dm-crypt': { targetType: 'crypt', modules: ['dm-crypt'] },
  'dm-integrity': { targetType: 'integrity', modules: ['dm-integrity'] },
  'dm-verity': { targetType: 'verity', modules: ['dm-verity'] },
  aegis128: { cipher: 'aegis128', modules: ['aegis128', 'aegis128-aesni'] },
};

export function decideAbility(name: AbilityName, evidence: KernelEvidence): Ability {
  const { targetType, cipher, modules } = SIGNS[name];
  const { targetTypes, crypto, builtinModules, loadableModules, canLoad } = evidence;
  const isTarget = targetType !== undefined && targetTypes.includes(targetType);
  if (isTarget || (cipher !== undefined && hasCipher(crypto, cipher)) || lists(builtinModules, modules)) return 'ready';
  return canLoad && lists(loadableModules, modules) ? 'loadable' : 'absent';
}

/** https://docs.kernel.org/crypto/architecture.html: `name : aegis128` */
function hasCipher(crypto: string, cipher: string): boolean {
  return crypto.split('\n').some((line) => /^name\s*:\s*(\S+)$/.exec(line)?.[1] === cipher);
}

/** `kernel/drivers/md/dm-crypt.ko.xz: …`; https://man7.org/linux/man-pages/man5/modules.dep.5.html */
function lists(table: string, modules: readonly string[]): boolean {
  const names = table
    .split('\n')
    .map((line) => /([^/]+)\.ko(?:\.[a-z0-9]+)?(?::|$)/.exec(line)?.[1]?.replaceAll('_', '-'));
  return names.some((name) => name !== undefined && modules.includes(name));
}
