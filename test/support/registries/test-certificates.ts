import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface TestCertificates {
  /** PEM of the authority that signed the others. */
  readonly authority: string;
  /** For localhost, 127.0.0.1 and 10.0.2.2, which a pod VM calls it. */
  readonly server: { readonly key: string; readonly cert: string };
  /** For registry.example, cdn.example and auth.example. */
  readonly named: { readonly key: string; readonly cert: string };
  /** For other.example only. */
  readonly wrongName: { readonly key: string; readonly cert: string };
  /** Like `server`, but signed by itself. */
  readonly selfSigned: { readonly key: string; readonly cert: string };
  /** Like `server`, but valid only until yesterday. */
  readonly expired: { readonly key: string; readonly cert: string };
}

const KEY_OPTIONS = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

const SERVER_NAMES = 'IP:127.0.0.1,IP:10.0.2.2,DNS:localhost';

function issue(directory: string, name: string, subjectAltName: string, days = 2): { key: string; cert: string } {
  const file = (suffix: string) => path.join(directory, `${name}.${suffix}`);
  const run = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  run('req', ...KEY_OPTIONS, '-keyout', file('key'), '-out', file('csr'), '-subj', `/CN=${name}`);
  writeFileSync(file('ext'), `subjectAltName=${subjectAltName}\n`);
  const authority = ['-CA', 'authority.crt', '-CAkey', 'authority.key', '-CAcreateserial'];
  run(
    'x509',
    '-req',
    '-in',
    file('csr'),
    ...authority,
    '-days',
    `${days}`,
    '-extfile',
    file('ext'),
    '-out',
    file('crt'),
  );
  return { key: readFileSync(file('key'), 'utf8'), cert: readFileSync(file('crt'), 'utf8') };
}

/** A throw-away authority and what it signed, made with the openssl program. */
export function makeTestCertificates(): TestCertificates {
  const directory = mkdtempSync(path.join(tmpdir(), 'sealift-certificates-'));
  try {
    const authority = ['-x509', ...KEY_OPTIONS, '-keyout', 'authority.key', '-out', 'authority.crt', '-days', '2'];
    execFileSync('openssl', ['req', ...authority, '-subj', '/CN=sealift test'], { cwd: directory, stdio: 'pipe' });
    const own = ['-x509', ...KEY_OPTIONS, '-keyout', 'own.key', '-out', 'own.crt', '-days', '2'];
    const names = ['-subj', '/CN=own', '-addext', `subjectAltName=${SERVER_NAMES}`];
    execFileSync('openssl', ['req', ...own, ...names], { cwd: directory, stdio: 'pipe' });
    const read = (name: string) => readFileSync(path.join(directory, name), 'utf8');
    return {
      selfSigned: { key: read('own.key'), cert: read('own.crt') },
      authority: readFileSync(path.join(directory, 'authority.crt'), 'utf8'),
      server: issue(directory, 'server', SERVER_NAMES),
      named: issue(directory, 'named', 'DNS:registry.example,DNS:cdn.example,DNS:auth.example'),
      wrongName: issue(directory, 'wrong', 'DNS:other.example'),
      expired: issue(directory, 'expired', SERVER_NAMES, -1),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
