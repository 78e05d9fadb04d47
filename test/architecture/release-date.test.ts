import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DEFAULTS } from '../../src/config/settings.ts';
import { PROJECT_ROOT } from './source-files.ts';

it('pull.not_before is the date of the newest release in CHANGELOG.md, once there is one', () => {
  const changelog = readFileSync(join(PROJECT_ROOT, 'CHANGELOG.md'), 'utf8');
  const [, released] = /^## [0-9][^ ]* - (\d{4}-\d{2}-\d{2})$/m.exec(changelog) ?? [];
  const notBefore = DEFAULTS['pull.not_before'];
  expect(released ?? notBefore).toBe(notBefore);
  expect(new Date(notBefore).toISOString().slice(0, 10)).toBe(notBefore);
});
