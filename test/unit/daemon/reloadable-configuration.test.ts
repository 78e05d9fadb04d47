import { describe, expect, it } from 'vitest';
import type { DaemonConfiguration } from '../../../src/config/index.ts';
import { ReloadableConfiguration } from '../../../src/daemon/index.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { resolveSample } from '../../support/daemons/daemon-texts.ts';

const ONE = resolveSample({ toml: '[api]\nmax_pulls = 1\n' });
const TWO = resolveSample({ toml: '[api]\nmax_pulls = 2\n' });
const BROKEN = new SealiftError('CONFIG_FILE_INVALID', 'configuration /c.toml: broken');

function reloadable(...results: readonly (DaemonConfiguration | SealiftError)[]): ReloadableConfiguration {
  const left = [...results];
  return new ReloadableConfiguration(() => {
    const next = left.shift() ?? BROKEN;
    if (next instanceof SealiftError) throw next;
    return next;
  });
}

describe('ReloadableConfiguration', () => {
  it('holds the configuration that was loaded last', () => {
    const loaded = reloadable(ONE, TWO);
    expect([loaded.configuration, loaded.failure]).toEqual([ONE, undefined]);
    expect(loaded.reload()).toBeUndefined();
    expect(loaded.configuration).toBe(TWO);
  });

  it('says which load is the first one', () => {
    const seen: boolean[] = [];
    const loaded = new ReloadableConfiguration((isFirst) => {
      seen.push(isFirst);
      return ONE;
    });
    loaded.reload();
    loaded.reload();
    expect(seen).toEqual([true, false, false]);
  });

  it('stays as it is when the files cannot be loaded again', () => {
    const loaded = reloadable(ONE, BROKEN);
    expect(loaded.reload()).toBe(BROKEN);
    expect([loaded.configuration, loaded.failure]).toEqual([ONE, undefined]);
  });

  it('starts with the defaults and the failure, until the files can be loaded', () => {
    const loaded = reloadable(BROKEN, BROKEN, TWO);
    expect([loaded.configuration, loaded.failure]).toEqual([resolveSample({}), BROKEN]);
    expect(loaded.reload()).toBe(BROKEN);
    expect(loaded.failure).toBe(BROKEN);
    expect(loaded.reload()).toBeUndefined();
    expect([loaded.configuration, loaded.failure]).toEqual([TWO, undefined]);
  });
});
