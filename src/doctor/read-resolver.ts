import type { ResolverFacts } from './network-types.ts';
import { readPlainFile } from './read-agent-file.ts';

/** See {@link DoctorOperations.readResolver}. https://man7.org/linux/man-pages/man5/resolv.conf.5.html */
export function readResolver({ path }: { readonly path: string }): ResolverFacts {
  const text = readPlainFile(path);
  if (text === undefined) return 'absent';
  const lines = text.matchAll(/^nameserver[ \t]+(\S+)/gm);
  return { nameservers: [...lines].map(([, address = '']) => address) };
}
