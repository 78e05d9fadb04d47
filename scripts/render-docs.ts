import { CODES, type ErrorCode, KINDS } from '../src/errors/index.ts';
import { LIMITS } from '../src/limits/index.ts';

const GENERATED = '<!-- Written by `make docs` from the table in the sources. Change that instead. -->';

const KIND_MEANINGS: Readonly<Record<keyof typeof KINDS, string>> = {
  invalid: 'what the caller gave is malformed: a reference, a file, an option',
  denied: 'policy refused; final, nothing else is tried',
  corrupt: 'bytes are not what their name, digest or format says; nothing was published',
  unsupported: 'well-formed, but not something Sealift can or will do',
  missing: 'what was asked for is not there',
  unavailable: 'it may work later; all tries were used up',
  exhausted: 'a limit or a resource ran out',
  unauthorized: 'a registry refused the credentials, or wants some',
  internal: 'a bug in Sealift, or a system that behaves as none should',
};

/** docs/errors.md */
export function renderErrors(): string {
  const kinds = Object.entries(KINDS).map(
    ([kind, { exitCode }]) => `| \`${kind}\` | ${exitCode} | ${KIND_MEANINGS[kind as keyof typeof KINDS]} |`,
  );
  const codes = (Object.keys(CODES) as ErrorCode[]).map((code) => {
    const { kind, summary, hint } = CODES[code];
    return `### ${code}\n\n${summary}\n\nKind \`${kind}\`, exit code ${KINDS[kind].exitCode}. What to do: ${hint}.`;
  });
  return `${[
    '# Errors',
    GENERATED,
    'Every refusal has a code, which never changes its meaning, and a kind, which decides the exit code. `--json` prints both on standard output as `{"schema":1,"error":{"code":…,"kind":…,"message":…,"hint":…,"context":…,"causes":[…]}}`.',
    '## Kinds',
    ['| kind | exit code | meaning |', '|---|---|---|', ...kinds].join('\n'),
    'Exit code 2 is also a wrong command line; 130 and 143 are the signals INT and TERM.',
    '## Codes',
    ...codes,
  ].join('\n\n')}\n`;
}

/** docs/limits.md */
export function renderLimits(): string {
  const rows = Object.entries(LIMITS).map(
    ([name, { default: value, unit, reason, code }]) =>
      `| \`${name}\` | ${formatLimit(value, unit)} | [${code}](errors.md#${code.toLowerCase()}) | ${reason} |`,
  );
  return `${[
    '# Limits',
    GENERATED,
    'Every bound on input that somebody else chose.',
    ['| limit | default | a breach is | why |', '|---|---|---|---|', ...rows].join('\n'),
  ].join('\n\n')}\n`;
}

function formatLimit(value: number, unit: string): string {
  if (unit === 'ms') return value % 60_000 === 0 ? `${value / 60_000} min` : `${value / 1000} s`;
  if (unit === 'ratio') return `${value} : 1`;
  if (unit === 'log2 bytes') return `2^${value} bytes`;
  if (unit !== 'bytes') return String(value);
  const power = ['bytes', 'KiB', 'MiB', 'GiB'].findLastIndex(
    (_, index) => value >= 1024 ** index && value % 1024 ** index === 0,
  );
  return `${value / 1024 ** power} ${['bytes', 'KiB', 'MiB', 'GiB'][power]}`;
}
