import { type Command, Option } from 'commander';
import type { DoctorReport, ReportedCheck } from '../../doctor/index.ts';
import { KINDS, redact } from '../../errors/index.ts';
import { addCommonFlags } from '../flags/common-flags.ts';
import { addTransportFlags, parseCertDir, type RegistryFlags } from '../flags/registry-flags.ts';
import { parseStoreOptions, type StoreCommandOptions, type StoreFlags } from '../flags/store-flags.ts';
import { parseRegistryImage } from '../parse-image.ts';
import type { CommandContext, CommandIo } from '../types.ts';

export interface DoctorOptions extends StoreCommandOptions {
  /** Images of registries, as the user wrote them. Without any, no registry is contacted. */
  readonly images: readonly string[];
  readonly certDir: string | undefined;
}

export interface DoctorCommands {
  doctor(options: DoctorOptions, io: CommandIo): Promise<DoctorReport>;
}

const EXAMPLES = `
Examples:
  sealift doctor
  sealift doctor --store /mnt/layers --json
  sealift doctor --daemon -c /run/confidential-containers/initdata/cdh.toml

  # also whether the registry of an image and its mirrors answer; without an image no connection is made
  sealift doctor registry.example/app:1.2

Exit code 0 when no check fails, 5 otherwise.
`;

export function addDoctor(program: Command, commands: DoctorCommands, context: CommandContext): void {
  const command = program.command('doctor').description('check what pulls need of this machine, and say what to do');
  addTransportFlags(addCommonFlags(command))
    .argument('[ref...]', 'images of registries: whether these answer, and their mirrors and proxies')
    .option('--store <dir>', 'the store to look at')
    .addOption(
      new Option(
        '--daemon',
        'what sealiftd stands on: its store, sockets, kernel, network and timeouts; -c is its configuration',
      ).conflicts(['authfile', 'certDir', 'registriesConf', 'registriesConfD', 'tlsVerify']),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (images: readonly string[], flags: StoreFlags & RegistryFlags) => {
      const options = {
        ...parseStoreOptions(flags, context),
        images: images.map(parseRegistryImage),
        certDir: parseCertDir(flags, context),
      };
      const result = await commands.doctor(options, context.begin(flags));
      context.finish({ result, output: () => formatReport(result), exitCode: exitCodeOf(result) }, flags);
    });
}

function exitCodeOf({ checks }: DoctorReport): number {
  return checks.some(({ status }) => status === 'fail') ? KINDS.unsupported.exitCode : 0;
}

/** The longest name of a check. */
const NAME_WIDTH = 'daemon-configuration'.length;

/** Prints a heading for each group, a line for each check, and below it the remedy. */
function formatReport({ checks }: DoctorReport): string {
  return checks
    .map((check, index) => {
      const isFirst = check.group !== checks[index - 1]?.group;
      return `${isFirst ? `${check.group}\n` : ''}${formatCheck(check)}`;
    })
    .join('');
}

/** Details and remedies quote the kernel, paths and servers, so that they are redacted. */
function formatCheck({ name, subject, status, detail, remedy }: ReportedCheck): string {
  const head = `  ${status.padEnd(7)}  ${name.padEnd(NAME_WIDTH)}  `;
  const about = subject === undefined ? '' : `${subject}: `;
  const line = `${head}${redact(`${about}${detail}`)}\n`;
  return remedy === undefined ? line : `${line}${' '.repeat(head.length)}→ ${redact(remedy)}\n`;
}
