import type { Command } from 'commander';
import { KINDS, redact } from '../../errors/index.ts';
import type { Finding, ImageScope, ListedKey, PolicyCheck } from '../../signature/policy-check/index.ts';
import { addCommonFlags, type CommonFlags, type CommonOptions, parseCommonOptions } from '../flags/common-flags.ts';
import { parsePath } from '../flags/usage.ts';
import { parseImage } from '../parse-image.ts';
import type { CommandContext, CommandIo } from '../types.ts';

export interface PolicyCheckOptions extends CommonOptions {
  /** An absolute path. */
  readonly file: string;
  /** Images as the user wrote them, with absolute paths. */
  readonly references: readonly string[];
}

export interface PolicyCheckCommands {
  checkPolicy(options: PolicyCheckOptions, io: CommandIo): Promise<PolicyCheck>;
}

const EXAMPLES = `
No network is used. Images are only names here: the check says which list of the policy applies to each.

Examples:
  sealift policy check policy.json
  sealift policy check policy.json registry.example/team/app:1.2 oci:./layout

Exit code 0 when nothing fails, 2 otherwise; warnings and notes fail nothing.
`;

export function addPolicyCheck(program: Command, commands: PolicyCheckCommands, context: CommandContext): void {
  const policy = program.command('policy').description('look at a policy');
  addCommonFlags(
    policy.command('check').description('say what of a policy cannot work, and which list applies to an image'),
  )
    .argument('<file>', 'policy.json')
    .argument('[ref...]', 'images: which list of requirements applies to each')
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, images: readonly string[], flags: CommonFlags) => {
      const file = parsePath(context, path, 'file');
      const references = images.map((image) => parseImage(image, context));
      const options = { file, references, ...parseCommonOptions(flags, context) };
      const result = await commands.checkPolicy(options, context.begin(flags));
      context.finish({ result, output: () => formatCheck(result), exitCode: exitCodeOf(result) }, flags);
    });
}

function exitCodeOf({ findings }: PolicyCheck): number {
  return findings.some(({ status }) => status === 'fail') ? KINDS.invalid.exitCode : 0;
}

/** Prints findings with their remedies, then keys, then images. Texts of the file are redacted. */
function formatCheck({ findings, keys, images }: PolicyCheck): string {
  const lines = [
    ...(findings.length === 0 ? ['nothing to report'] : findings.flatMap(formatFinding)),
    ...keys.filter(({ problem }) => problem === undefined).map(formatKey),
    ...images.map(formatImage),
  ];
  return lines.map((line) => `${redact(line)}\n`).join('');
}

const WIDTH = 'image'.length;

function formatFinding({ status, where, detail, remedy }: Finding): readonly string[] {
  const line = `${status.padEnd(WIDTH)}  ${where}: ${detail}`;
  return remedy === undefined ? [line] : [line, `${' '.repeat(WIDTH)}  → ${remedy}`];
}

function formatKey({ where, member, id, algorithm, expiresAt }: ListedKey): string {
  const expiry = expiresAt === undefined ? '' : `, expires at ${expiresAt}`;
  return `${'key'.padEnd(WIDTH)}  ${where}: ${member}: ${id}, ${algorithm}${expiry}`;
}

function formatImage({ reference, scope, requirements }: ImageScope): string {
  const listed = requirements.map(({ type, keys }) => (keys === '' ? type : `${type} with ${keys}`)).join('; ');
  return `image  ${reference}: ${scope}: ${listed}`;
}
