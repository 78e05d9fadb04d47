import { describe, expect, it } from 'vitest';
import { CODES, daemonHint, type ErrorCode } from '../../../src/errors/index.ts';

/** A long option, or the file of the command line. */
const COMMAND_LINE = /(?<![\w-])--[a-z]|config\/sealift\.toml|sealift (?:umount|pull|--help)/;
/** Codes that only the command line has. */
const COMMAND_LINE_CODES: readonly ErrorCode[] = ['USAGE', 'STORE_IMAGE_IN_USE'];

describe('daemonHint', () => {
  const codes = (Object.keys(CODES) as ErrorCode[]).filter((code) => !COMMAND_LINE_CODES.includes(code));

  it.each(codes)('of %s names nothing of the command line', (code) => {
    expect(daemonHint({ code, hint: CODES[code].hint })).not.toMatch(COMMAND_LINE);
  });

  it('keeps a more precise hint, with settings instead of options', () => {
    const hint = 'allow plain http with --tls-verify=false, or name --cert-dir; compare with config/sealift.toml';
    expect(daemonHint({ code: 'HTTP_UNAVAILABLE', hint })).toBe(
      'allow plain http with pull.tls_verify = false, or name pull.certs_d; compare with config/sealiftd.toml',
    );
    const precise = 'use a valid policy';
    expect(daemonHint({ code: 'POLICY_TAG_UNPINNED', hint: precise })).toBe(precise);
  });

  it.each(['host--name', 'a -- b', '--unknown'])('leaves %j as it is', (hint) => {
    expect(daemonHint({ code: 'INTERNAL', hint })).toBe(hint);
  });
});
