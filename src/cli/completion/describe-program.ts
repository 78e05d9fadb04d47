import type { Argument, Command, Option } from 'commander';
import type { CompletedCommand, CompletedFlag, ValueKind } from './types.ts';

/** By the placeholders of flags and arguments, as the help shows them. */
const KINDS: ReadonlyMap<string, ValueKind> = new Map<string, ValueKind>([
  ['file', { kind: 'file' }],
  ['path', { kind: 'file' }],
  ['dir', { kind: 'directory' }],
  ['bool', { kind: 'choice', choices: ['true', 'false'] }],
  ['ref|digest', { kind: 'image' }],
]);

/** The commands as commander knows them: what its help shows, and nothing else. */
export function describeProgram(program: Command): CompletedCommand {
  return describeCommand(program, '');
}

function describeCommand(command: Command, path: string): CompletedCommand {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const names = commands.map((each) => each.name());
  const describeNested = (each: Command): CompletedCommand => {
    const nested = describeCommand(each, `${path} ${each.name()}`.trim());
    // `help [command]` takes the others' names.
    const isHelp = each.registeredArguments[0]?.name() === 'command';
    return isHelp ? { ...nested, argument: { value: { kind: 'choice', choices: names }, isVariadic: false } } : nested;
  };
  return {
    path,
    description: command.description(),
    flags: help.visibleOptions(command).map(describeFlag),
    commands: commands.map(describeNested),
    argument: describeArgument(command.registeredArguments),
  };
}

function describeFlag({ short, long, flags, description, required, optional, argChoices }: Option): CompletedFlag {
  const [, placeholder = ''] = /[<[]([^>\]]+)[>\]]/.exec(flags) ?? [];
  return {
    names: [short, long].filter((name) => name !== undefined),
    description,
    value: required || optional ? kindOf(placeholder, argChoices) : undefined,
    isBound: placeholder === 'bool',
  };
}

function describeArgument([first]: readonly Argument[]): CompletedCommand['argument'] {
  if (first === undefined) return undefined;
  return { value: kindOf(first.name(), first.argChoices), isVariadic: first.variadic };
}

function kindOf(placeholder: string, choices: readonly string[] | undefined): ValueKind {
  if (choices !== undefined) return { kind: 'choice', choices };
  return KINDS.get(placeholder) ?? { kind: 'any' };
}

/** The command itself and all below it. */
export function listCommands(command: CompletedCommand): readonly CompletedCommand[] {
  return [command, ...command.commands.flatMap(listCommands)];
}
