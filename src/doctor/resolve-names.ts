import { lookup } from 'node:dns/promises';
import type { NameOutcome } from './network-types.ts';

/** See {@link DoctorOperations.resolveNames}. */
export function resolveNames({
  hosts,
  timeoutMs,
}: {
  readonly hosts: readonly string[];
  readonly timeoutMs: number;
}): Promise<readonly NameOutcome[]> {
  return Promise.all(hosts.map(async (host) => ({ host, answer: await resolveName(host, timeoutMs) })));
}

/** Resolves a name like net.connect, so that /etc/hosts counts as well. */
async function resolveName(host: string, timeoutMs: number): Promise<NameOutcome['answer']> {
  const late = Promise.withResolvers<NameOutcome['answer']>();
  const timer = setTimeout(() => late.resolve({ failed: `no answer within ${timeoutMs} ms` }), timeoutMs);
  try {
    return await Promise.race([lookUp(host), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function lookUp(host: string): Promise<NameOutcome['answer']> {
  try {
    const found = await lookup(host, { all: true });
    return { addresses: found.map(({ address }) => address) };
  } catch (error) {
    return { failed: error instanceof Error && 'code' in error ? String(error.code) : String(error) };
  }
}
