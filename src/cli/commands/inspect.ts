import { type Command, Option } from 'commander';
import type { InspectResult } from '../../pull/index.ts';
import {
  addRegistryFlags,
  parseRegistryOptions,
  type RegistryFlags,
  type RegistryOptions,
} from '../flags/registry-flags.ts';
import { formatJson } from '../format-json.ts';
import { IMAGE_ARGUMENT, parseImage } from '../parse-image.ts';
import type { CommandContext, CommandIo, CommandOutcome } from '../types.ts';

interface InspectFlags extends RegistryFlags {
  readonly config?: true;
  readonly raw?: true;
}

export interface InspectOptions extends RegistryOptions {
  readonly reference: string;
  readonly view: InspectResult['view'];
}

export interface InspectCommands {
  inspect(options: InspectOptions, io: CommandIo): Promise<InspectResult>;
}

const EXAMPLES = `
Examples:
  sealift inspect registry.example/app:1.2
  sealift inspect --config registry.example/app:1.2
  sealift inspect --raw registry.example/app:1.2 | sha256sum
  sealift inspect oci-archive:app.tar
`;

export function addInspect(program: Command, commands: InspectCommands, context: CommandContext): void {
  addRegistryFlags(program.command('inspect').description('show manifest and config of an image; fetches no layer'))
    .argument('<ref>', IMAGE_ARGUMENT)
    .addOption(new Option('--config', 'print the image config').conflicts('raw'))
    .addOption(new Option('--raw', 'print the manifest or index byte for byte').conflicts('json'))
    .addHelpText('after', EXAMPLES)
    .action(async (image: string, flags: InspectFlags) => {
      const reference = parseImage(image, context);
      const registry = await parseRegistryOptions(flags, context);
      const result = await commands.inspect({ reference, view: parseView(flags), ...registry }, context.begin(flags));
      context.finish(describe(result), flags);
    });
}

function parseView({ config, raw }: InspectFlags): InspectResult['view'] {
  if (raw) return 'raw';
  return config ? 'config' : 'summary';
}

function describe(result: InspectResult): CommandOutcome {
  if (result.view === 'raw') return { result, output: () => result.rawManifest };
  const shown = result.view === 'config' ? result.config : result.summary;
  return { result: shown, output: () => formatJson(shown, 2) };
}
