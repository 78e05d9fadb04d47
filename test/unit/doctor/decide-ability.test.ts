import { describe, expect, it } from 'vitest';
import type { Ability, AbilityName } from '../../../src/doctor/daemon-types.ts';
import { decideAbility, type KernelEvidence } from '../../../src/doctor/decide-ability.ts';

const NOTHING: KernelEvidence = { targetTypes: [], crypto: '', builtinModules: '', loadableModules: '', canLoad: true };
const DEP = 'kernel/drivers/md/dm-crypt.ko.xz: kernel/drivers/md/dm-mod.ko.xz\nkernel/drivers/md/dm-bufio.ko: \n';

describe('decideAbility', () => {
  it.each<[string, AbilityName, Ability, Partial<KernelEvidence>]>([
    ['a target that is registered', 'dm-crypt', 'ready', { targetTypes: ['linear', 'crypt'] }],
    ['another target', 'dm-verity', 'absent', { targetTypes: ['linear', 'crypt'] }],
    ['a part of the kernel', 'dm-verity', 'ready', { builtinModules: 'kernel/drivers/md/dm-verity.ko\n' }],
    ['a module', 'dm-crypt', 'loadable', { loadableModules: DEP }],
    [
      'a module that another needs',
      'dm-integrity',
      'absent',
      { loadableModules: 'kernel/x/y.ko: kernel/drivers/md/dm-integrity.ko\n' },
    ],
    ['a module that nobody loads', 'dm-crypt', 'absent', { loadableModules: DEP, canLoad: false }],
    ['a module spelled with underscores', 'dm-crypt', 'loadable', { loadableModules: 'kernel/md/dm_crypt.ko.zst:' }],
    [
      'a cipher that is registered',
      'aegis128',
      'ready',
      { crypto: 'name         : aes\n\nname         : aegis128\ndriver : x\n' },
    ],
    ['a cipher of a similar name', 'aegis128', 'absent', { crypto: 'name         : aegis128l\n' }],
    ['its driver only', 'aegis128', 'absent', { crypto: 'name : x\ndriver       : aegis128\n' }],
    [
      'a module for this processor',
      'aegis128',
      'loadable',
      { loadableModules: 'kernel/arch/x86/crypto/aegis128-aesni.ko.xz:' },
    ],
    ['nothing', 'dm-crypt', 'absent', {}],
  ])('%s makes %s %s', (_, name, ability, evidence) => {
    expect(decideAbility(name, { ...NOTHING, ...evidence })).toBe(ability);
  });
});
