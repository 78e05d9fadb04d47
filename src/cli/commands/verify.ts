import type { Command } from 'commander';
import { KINDS, redact } from '../../errors/index.ts';
import type { VerifyResult } from '../../pull/index.ts';
import type { PolicyReport } from '../../signature/index.ts';
import {
  addImageFlags,
  parseRegistryOptions,
  type RegistryFlags,
  type RegistryOptions,
} from '../flags/registry-flags.ts';
import { IMAGE_ARGUMENT, parseImage } from '../parse-image.ts';
import type { CommandContext, CommandIo } from '../types.ts';

export interface VerifyOptions extends RegistryOptions {
  readonly reference: string;
}

export interface VerifyCommands {
  verify(options: VerifyOptions, io: CommandIo): Promise<VerifyResult>;
}

const EXAMPLES = `
The image is judged as a pull would judge it. No layer is fetched and nothing is stored, so that no root is needed.

Examples:
  sealift verify --policy policy.json registry.example/app:1.2
  sealift verify --policy policy.json --registries.d ./registries.d --json registry.example/app@sha256:0123…
  sealift verify --policy policy.json oci-archive:app.tar

Exit code 0 only when the policy accepts the image; 3 when it denies it, also because there is no signature; 5 when it asks
for what cannot be verified; 7 when a location of signatures could not be read. Without a policy there is nothing to verify: 2.
`;

export function addVerify(program: Command, commands: VerifyCommands, context: CommandContext): void {
  addImageFlags(
    program.command('verify').description('say whether the policy lets an image run, and why; fetches no layer'),
  )
    .argument('<ref>', IMAGE_ARGUMENT)
    .addHelpText('after', EXAMPLES)
    .action(async (image: string, flags: RegistryFlags) => {
      const reference = parseImage(image, context);
      const registry = await parseRegistryOptions(flags, context);
      const result = await commands.verify({ reference, ...registry }, context.begin(flags));
      const warnings = [...result.warnings, ...warningsOf(result)];
      context.finish({ result, output: () => formatVerdict(result), warnings, exitCode: exitCodeOf(result) }, flags);
    });
}

function exitCodeOf({ verdict }: VerifyResult): number {
  return verdict === 'accepted' ? 0 : KINDS[verdict].exitCode;
}

function warningsOf({ verdict, basis, policy }: VerifyResult): readonly string[] {
  const unread = policy.failures.map(({ origin, message }) => `${origin} could not be read: ${message}`);
  if (verdict !== 'accepted') return [];
  return basis === 'policy' ? ['the policy accepts the image without any signature', ...unread] : unread;
}

type Requirement = PolicyReport['requirements'][number];
type Signature = Requirement['signatures'][number];

const WIDTH = 'not-checked'.length;

/** Prints the verdict, then each requirement with its signatures, then what to do. Texts of others are redacted. */
function formatVerdict({ name, manifestDigest, verdict, policy, error }: VerifyResult): string {
  const lines = [
    `${name}@${manifestDigest}`,
    `${policy.scope}: ${verdict}`,
    ...policy.requirements.flatMap(formatRequirement),
    ...(error === undefined ? [] : [...locations(policy), `→ ${error.hint}`, `  code: ${error.code}`]),
  ];
  return lines.map((line) => `${redact(line)}\n`).join('');
}

function formatRequirement({ type, keys, verdict, reason, signatures }: Requirement): readonly string[] {
  const name = keys === '' ? type : `${type}, ${keys}`;
  // The reason of a denial repeats those of the signatures.
  const why = reason === undefined || signatures.length > 0 ? [] : [`    ${reason}`];
  return [`  ${verdict.padEnd(WIDTH)} ${name}`, ...why, ...signatures.flatMap(formatSignature)];
}

function formatSignature({
  kind,
  origin,
  verdict,
  text,
  remedy,
  author,
  signedReference,
}: Signature): readonly string[] {
  const by = author === undefined ? [] : [`by ${formatAuthor(author)}`];
  const signed = signedReference === undefined ? [] : [`for ${signedReference}`];
  const details = [...by, ...signed, ...(text === undefined ? [] : [text])];
  return [
    `    ${verdict.padEnd(WIDTH)} ${kind} ${origin}`,
    ...details.map((detail) => `      ${detail}`),
    ...(remedy === undefined ? [] : [`      → ${remedy}`]),
  ];
}

/** Words for the members of an author; others are shown by their own names. */
const MEMBERS: ReadonlyMap<string, string> = new Map([
  ['signedAt', 'signed at'],
  ['loggedAt', 'logged at'],
  ['stampedAt', 'stamped at'],
  ['keyId', 'key ID'],
  ['oidcIssuer', 'OIDC issuer'],
]);

function formatAuthor({ kind, ...members }: NonNullable<Signature['author']>): string {
  const known = Object.entries(members).filter(([, value]) => value !== undefined);
  const words = known.map(([name, value]) => {
    return `${MEMBERS.get(name) ?? name} ${typeof value === 'string' ? value : JSON.stringify(value)}`;
  });
  return [kind, ...words].join(', ');
}

/** Where no signature was found, and what could not be read. */
function locations(policy: PolicyReport): readonly string[] {
  const unread = policy.failures.map(
    ({ origin, code, message }) => `  could not be read: ${origin}: ${code}: ${message}`,
  );
  return [...policy.remarks.map((remark) => `  ${remark}`), ...unread];
}
