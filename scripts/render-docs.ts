import { LIMIT_NAMES, snakeCase } from '../src/config/settings.ts';
import { CODES, type CodeEntry, type ErrorCode, KINDS } from '../src/errors/index.ts';
import { LIMITS, type LimitName } from '../src/limits/index.ts';

const GENERATED = '<!-- Written by `make docs` from the table in the sources. Change that instead. -->';

const KIND_MEANINGS: Readonly<Record<keyof typeof KINDS, string>> = {
  invalid: 'what the caller gave is malformed: a reference, a file, an option',
  denied: 'a policy refused; this is final, and no other source is tried',
  corrupt: 'bytes do not match their name, digest or format; nothing was published',
  unsupported: 'well-formed, but Sealift does not support it',
  missing: 'what was requested does not exist',
  unavailable: 'it may work later; all tries were used up',
  exhausted: 'a limit or a resource ran out',
  unauthorized: 'a registry refused the credentials, or requires credentials',
  internal: 'a bug in Sealift, or a system that behaves in a way it should not',
};

/** The sections of docs/errors.md, each with the first of its codes in the order of the table. */
const SECTIONS: readonly (readonly [title: string, first: ErrorCode])[] = [
  ['Names, manifests and configs', 'REFERENCE_INVALID'],
  ['Registries and transport', 'HTTP_UNAVAILABLE'],
  ['Images in files', 'ARCHIVE_NOT_FOUND'],
  ['Policy', 'POLICY_INVALID'],
  ['Layers', 'DIFFID_MISMATCH'],
  ['Archives and unpacking', 'TAR_INVALID'],
  ['Store, mounts and bundles', 'STORE_INVALID'],
  ['The disk of the image store', 'VOLUME_REQUEST_INVALID'],
  ['Sockets and services', 'TTRPC_FRAME_INVALID'],
  ['Configuration, command line and system', 'CONFIG_FILE_INVALID'],
];

interface Section {
  readonly title: string;
  readonly codes: readonly ErrorCode[];
}

function listSections(): readonly Section[] {
  const codes = Object.keys(CODES) as ErrorCode[];
  const starts = SECTIONS.map(([, first]) => codes.indexOf(first));
  return SECTIONS.map(([title], index) => ({ title, codes: codes.slice(starts[index], starts[index + 1]) }));
}

function linkCode(code: ErrorCode): string {
  return `[${code}](#${code.toLowerCase()})`;
}

function formatCode(code: ErrorCode): string {
  const { kind, summary, hint, daemonHint }: CodeEntry = CODES[code];
  const inDaemon = daemonHint === undefined ? '' : ` For the daemon: ${daemonHint}.`;
  return `### ${code}\n\n${summary}\n\nKind \`${kind}\`, exit code ${KINDS[kind].exitCode}. What to do: ${hint}.${inDaemon}`;
}

/** Renders docs/errors.md. */
export function renderErrors(): string {
  const kinds = Object.entries(KINDS).map(
    ([kind, { exitCode }]) => `| \`${kind}\` | ${exitCode} | ${KIND_MEANINGS[kind as keyof typeof KINDS]} |`,
  );
  const sections = listSections();
  const index = sections.map(({ title, codes }) => `| ${title} | ${codes.map(linkCode).join(' · ')} |`);
  return `${[
    '# Errors',
    GENERATED,
    'Every refusal has a code, which never changes its meaning, and a kind, which decides the exit code. `--json` prints both on standard output as `{"schema":1,"error":{"code":…,"kind":…,"message":…,"hint":…,"context":…,"causes":[…]}}`.',
    '## Kinds',
    ['| kind | exit code | meaning |', '|---|---|---|', ...kinds].join('\n'),
    'Exit code 2 is also a wrong command line; 130 and 143 are the signals INT and TERM.',
    'A page by symptom: [troubleshooting.md](troubleshooting.md).',
    '## All codes',
    ['| about | codes |', '|---|---|', ...index].join('\n'),
    ...sections.flatMap(({ title, codes }) => [`## ${title}`, ...codes.map(formatCode)]),
  ].join('\n\n')}\n`;
}

/** Renders docs/limits.md. */
export function renderLimits(): string {
  const rows = LIMIT_NAMES.map((name) => {
    const { default: value, unit, reason } = LIMITS[name];
    const bound = [formatLimit(value, unit), greatestOf(name)].join(' | ');
    return `| \`${name}\` | \`${snakeCase(name)}\` | ${bound} | ${breachOf(name)} | ${reason} |`;
  });
  return `${[
    '# Limits',
    GENERATED,
    'Every bound on input that comes from outside. A limit is set in the table `[pull.limits]` of the file given with `-c` or of `/etc/sealift/sealift.toml`, or in the environment of the command line as `SEALIFT_PULL_LIMITS_…`; sources that the host can write cannot set limits. The value is a whole number: of bytes, of milliseconds, or a count. The error of a breach names the limit as `limit` in its `context`.',
    ['| limit | setting | default | at most | a breach is | why |', '|---|---|---|---|---|---|', ...rows].join('\n'),
    '*cuts*: what exceeds the limit is dropped, and nothing is refused. *paces*: the limit controls how work proceeds, and cannot be exceeded.',
    'Some bounds cannot be set, since there is no need to change them: 16 KiB for the head of a response, including the challenge for credentials; 1024 characters for a reference and for the scope of a token; 24 hours for the lifetime of a token; 40 links on the path to a working directory, and 255 in a layer. Labels, variables and history of an image have no bounds of their own: `maxConfigBytes` limits them together. Layers are checked against the free space of the store before the first of them is requested.',
  ].join('\n\n')}\n`;
}

function breachOf(name: LimitName): string {
  const limit = LIMITS[name];
  return 'code' in limit ? `[${limit.code}](errors.md#${limit.code.toLowerCase()})` : `*${limit.effect}*`;
}

function greatestOf(name: LimitName): string {
  const limit = LIMITS[name];
  return 'greatest' in limit ? formatLimit(limit.greatest, limit.unit) : '';
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
