import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listFiles, PROJECT_ROOT } from './source-files.ts';

/** Faults of other tools that verify signatures, or ask key brokers: each has a test that shows that this one has none. */
const ADVISORIES = [
  // Cosign.
  ...['CVE-2022-23649', 'CVE-2022-36056', 'CVE-2026-22703', 'CVE-2026-24122', 'CVE-2026-39395', 'GHSA-w6c6-c85g-mmv6'],
  ...['CVE-2022-35929', 'CVE-2022-35930', 'CVE-2023-46737', 'CVE-2024-29902', 'CVE-2024-29903'],
  // sigstore-go, sigstore-js and the controllers of admission.
  ...['CVE-2024-45395', 'GHSA-9vcr-p3rj-q5q6', 'GHSA-wqqc-jjcq-vfxm', 'CVE-2026-48815', 'CVE-2025-29778'],
  ...['sigstore-js #1659', 'sigstore-js #1718', 'policy-controller #1971', 'CVE-2022-47633', 'CVE-2023-47630'],
  // Rekor, the timestamp authority and TUF.
  ...['CVE-2026-39984', 'CVE-2025-66564', 'CVE-2026-24117', 'CVE-2026-23831', 'CVE-2026-24137'],
  // Registries and their clients.
  ...['oras-go #1396', 'CVE-2025-25204', 'CVE-2024-3727'],
  // OpenPGP.
  ...['CVE-2025-47934', 'CVE-2023-41037', 'CVE-2025-68972', 'CVE-2025-68973', 'gpg.fail', 'CVE-2024-53856'],
  // JOSE.
  ...['CVE-2024-28180', 'CVE-2024-28176', 'CVE-2026-34986'],
  // Certificates in Node.
  ...['CVE-2021-44531', '-44532', '-44533'],
];

const TITLE = /\b(?:describe|it)(?:With)?(?:\.\w+)*\(\s*(['"`])(.*?)\1/gs;
const EACH_TITLE = /\]\s*(?:as const)?,?\s*\)\(\s*(['"`])(.*?)\1/gs;

describe('advisories', () => {
  const titles = listFiles('test', '.test.ts')
    .flatMap((path) => {
      const text = readFileSync(join(PROJECT_ROOT, path), 'utf8');
      return [...text.matchAll(TITLE), ...text.matchAll(EACH_TITLE)];
    })
    .map(([, , title = '']) => title);

  it.each(ADVISORIES)('%s is named by the title of a test', (id) => {
    expect(titles.some((title) => title.includes(id))).toBe(true);
  });

  it('CVE-2026-24137: no client of TUF, which takes names of targets for paths, is in the product', () => {
    const { packages } = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package-lock.json'), 'utf8'));
    const entries = Object.entries<{ readonly dev?: boolean }>(packages);
    const shipped = entries.filter(([, { dev }]) => dev !== true).map(([path]) => path);
    // Control: what the product has is seen.
    expect(shipped).toContain('node_modules/openpgp');
    expect(shipped.filter((path) => /tuf/i.test(path))).toEqual([]);
  });
});
