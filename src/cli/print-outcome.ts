import type { DoctorReport, ReportedCheck } from '../doctor/index.ts';
import { assertNever, type PlainError, redact } from '../errors/index.ts';
import type { InspectSummary, PullResult } from '../pull/index.ts';
import { formatImages, formatRemovalRemark, formatRemoved } from './commands/images.ts';
import { formatStoreStatus } from './commands/store-status.ts';
import { formatBytes } from './format-bytes.ts';
import type { CommandOutcome } from './types.ts';

/** Version of the documents that --json prints. */
const SCHEMA = 1;

/** JSON escapes control characters below U+0020 only; the rest could still drive a terminal. */
function escapeForTerminal(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export function formatJson(value: unknown, indent = 0): string {
  return `${escapeForTerminal(JSON.stringify(value, undefined, indent))}\n`;
}

/** The one document on standard output. */
export function formatResultDocument(outcome: CommandOutcome): string {
  const { result } = outcome;
  if (outcome.command === 'inspect' && outcome.result.view === 'summary') {
    return formatJson({ schema: SCHEMA, result: outcome.result.summary });
  }
  if (outcome.command === 'inspect' && outcome.result.view === 'config') {
    return formatJson({ schema: SCHEMA, result: outcome.result.config });
  }
  return formatJson({ schema: SCHEMA, result });
}

export function formatErrorDocument(error: PlainError): string {
  const { code, kind, message, hint, context, causes } = error;
  return formatJson({ schema: SCHEMA, error: { code, kind, message, hint, context, causes } });
}

/** For people, on standard error; every text in it was redacted and bounded when the error was made. */
export function formatError({ code, message, hint, causes }: PlainError): string {
  const lines = [
    `error: ${message}`,
    ...causes.map((cause) => `  cause: ${cause}`),
    `  hint: ${hint}`,
    `  code: ${code}`,
  ];
  return `${lines.join('\n')}\n`;
}

function formatSummary(summary: InspectSummary): string {
  return formatJson(summary, 2);
}

/** The longest name of a check. */
const NAME_WIDTH = 'daemon-configuration'.length;

/** Texts of the kernel, of paths and of servers are in it. */
function formatCheck({ name, subject, status, detail, remedy }: ReportedCheck): string {
  const head = `  ${status.padEnd(7)}  ${name.padEnd(NAME_WIDTH)}  `;
  const about = subject === undefined ? '' : `${subject}: `;
  const line = `${head}${redact(`${about}${detail}`)}\n`;
  return remedy === undefined ? line : `${line}${' '.repeat(head.length)}→ ${redact(remedy)}\n`;
}

/** A heading for each group, and a line for each check with what to do below. */
function formatReport({ checks }: DoctorReport): string {
  return checks
    .map((check, index) => {
      const isFirst = check.group !== checks[index - 1]?.group;
      return `${isFirst ? `${check.group}\n` : ''}${formatCheck(check)}`;
    })
    .join('');
}

/** What a person's standard output gets: what a script can use, and nothing else. */
export function formatOutput(outcome: CommandOutcome): string | Uint8Array {
  switch (outcome.command) {
    case 'pull':
    case 'pull --socket':
      return `${outcome.result.manifestDigest}\n`;
    case 'inspect':
      if (outcome.result.view === 'raw') return outcome.result.rawManifest;
      return outcome.result.view === 'config'
        ? formatJson(outcome.result.config, 2)
        : formatSummary(outcome.result.summary);
    case 'umount':
      return '';
    case 'images':
      return formatImages(outcome.result.images);
    case 'rm':
    case 'prune':
      return formatRemoved(outcome.result);
    case 'store status':
      return formatStoreStatus(outcome.result);
    case 'doctor':
      return formatReport(outcome.result);
    case 'completion':
      return outcome.result.script;
    case 'version':
      return `${outcome.result.version}\n`;
    case 'help':
      return outcome.result.help;
    default:
      return assertNever(outcome, 'command');
  }
}

function describePull(result: PullResult): string {
  const fetched = result.layers.filter((layer) => layer.fetches > 0);
  const bytes = fetched.reduce((sum, layer) => sum + layer.size * layer.fetches, 0);
  const where = { store: 'in the store', bundle: 'bundle', unpack: 'unpacked' }[result.target.kind];
  const path = result.target.kind === 'store' ? '' : ` ${result.target.directory}`;
  return (
    `${result.name}@${result.manifestDigest}\n` +
    `${result.layers.length} ${result.layers.length === 1 ? 'layer' : 'layers'}, ${fetched.length} fetched (${formatBytes(bytes)}), ` +
    `${(result.durationMs / 1000).toFixed(1)} s; ${where}${path}\n`
  );
}

/** Remarks beside the output, on standard error. */
export function formatRemarks(outcome: CommandOutcome): string {
  if (outcome.command === 'pull') return describePull(outcome.result);
  if (outcome.command === 'rm' || outcome.command === 'prune') return formatRemovalRemark(outcome.result);
  if (outcome.command !== 'umount') return '';
  const { directory, wasMounted } = outcome.result;
  return wasMounted ? `unmounted ${directory}\n` : `${directory} was not mounted; bundle removed\n`;
}
