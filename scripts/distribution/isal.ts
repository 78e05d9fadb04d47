import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Licence } from './format-licences.ts';

/**
 * The library of Debian 12's package libisal2 2.30.0-5 for amd64, which scripts/with-debian-packages.sh installs. The
 * digest pins it, as the lockfile pins Node. docs/adr/0024-inflate-by-isa-l.md says why there is none for arm64.
 */
const PACKAGE = 'libisal2 2.30.0-5';
const INSTALLED = '/usr/lib/x86_64-linux-gnu/libisal.so.2';
const SHA256 = '865753eeb10dd0e0c3848e35b1c1833ef457b09757f72a6a402cf7d8c6829d3a';

export const ISAL_FILE = 'libisal.so.2';

/** Copies the library into `folder`; returns why not, if this machine does not have it. */
export function copyIsal(folder: string): string | undefined {
  if (process.arch !== 'x64') return undefined;
  try {
    const digest = createHash('sha256').update(readFileSync(INSTALLED)).digest('hex');
    if (digest !== SHA256) return `${INSTALLED}: expected ${PACKAGE} of Debian 12 (sha256 ${SHA256}), got ${digest}`;
    copyFileSync(INSTALLED, join(folder, ISAL_FILE));
    return undefined;
  } catch (error) {
    return `${INSTALLED}: expected ${PACKAGE} of Debian 12, got ${error instanceof Error ? error.message : error}`;
  }
}

export function isalLicence(): Licence {
  const text = readFileSync(new URL('./isa-l-licence.txt', import.meta.url), 'utf8');
  return { title: PACKAGE, identifier: 'BSD-3-Clause', texts: [text] };
}
