import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { judgeFindings } from '../../src/doctor/judge-findings.ts';
import type { Findings } from '../../src/doctor/types.ts';
import { HEALTHY_DAEMON } from '../unit/doctor/daemon-sample.ts';
import { HEALTHY, QUIET_NETWORK } from '../unit/doctor/sample.ts';
import { PROJECT_ROOT } from './source-files.ts';

/** Findings in which everything that a check can be about occurs. */
const EVERYTHING: Findings = {
  ...HEALTHY,
  daemon: HEALTHY_DAEMON,
  credentialHelpers: { 'docker-credential-pass': undefined },
  network: {
    ...QUIET_NETWORK,
    names: [{ host: 'app.io', use: 'registry', answer: { addresses: ['10.0.0.9'] } }],
    images: [
      {
        image: 'app.io/x:1',
        endpoints: [
          {
            ...{ name: 'app.io/x', host: 'app.io', use: 'registry', credentials: undefined },
            answer: {
              ...{ kind: 'answered', scheme: 'https', proxy: undefined, status: 200, page: undefined, tookMs: 1 },
              dates: { theirsMs: 0, oursMs: 0 },
            },
          },
        ],
      },
    ],
  },
};

it('docs/doctor.md has every check of the doctor in its group, and no other', () => {
  const document = readFileSync(join(PROJECT_ROOT, 'docs/doctor.md')).toString('utf8');
  const rows = document.split('\n').flatMap((line) => {
    const [, group = '', names = ''] = /^\| (machine|store|network|daemon) \| ([^|]+) \|/.exec(line) ?? [];
    return [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => `${group} ${name}`);
  });
  expect(rows.toSorted()).toEqual(
    judgeFindings(EVERYTHING)
      .map(({ group, name }) => `${group} ${name}`)
      .toSorted(),
  );
});
