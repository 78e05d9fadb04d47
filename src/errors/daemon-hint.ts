import { CODES } from './codes.ts';
import type { CodeEntry } from './kinds.ts';
import type { PlainError } from './sealift-error.ts';

/** What the daemon's file has instead of the options that hints of the command line name. */
const SETTINGS: ReadonlyMap<string, string> = new Map([
  ['--authfile', 'pull.authfile'],
  ['--creds', 'pull.authfile'],
  ['--cert-dir', 'pull.certs_d'],
  ['--foreign-layers', 'pull.foreign_layer_urls = true'],
  ['--insecure-policy', 'pull.insecure_policy = true'],
  ['--platform', 'pull.platform'],
  ['--policy', 'pull.policy'],
  ['--registries-conf', 'pull.registries_conf'],
  ['--registries-conf-d', 'pull.registries_conf_d'],
  ['--registries.d', 'pull.registries_d'],
  ['--tls-verify=false', 'pull.tls_verify = false'],
  ['config/sealift.toml', 'config/sealiftd.toml'],
]);

/** A long option of the command line, with its value, or the name of the command line's file. */
const COMMAND_LINE_WORD = /(?<![\w-])--[a-z][a-z-]*(?:=[a-z]+)?|config\/sealift\.toml/g;

/**
 * Returns the hint of an error for the owner of a pod, who can change the daemon's file and has no command line. A hint
 * with an option that the daemon has no setting for needs a `daemonHint` in the table of codes.
 */
export function daemonHint({ code, hint }: Pick<PlainError, 'code' | 'hint'>): string {
  const entry: CodeEntry = CODES[code];
  if (hint === entry.hint && entry.daemonHint !== undefined) return entry.daemonHint;
  return hint.replace(COMMAND_LINE_WORD, (word) => SETTINGS.get(word) ?? word);
}
