import type { Argument, Command, Option } from 'commander';
import type { CompletedCommand, CompletedFlag, ValueKind } from './types.ts';

/** Kinds of values by the placeholders that the help shows for flags and arguments. */
const KINDS: ReadonlyMap<string, ValueKind> = new Map<string, ValueKind>([
  ['file', { kind: 'file' }],
  ['path', { kind: 'file' }],
  ['dir', { kind: 'directory' }],
  ['bool', { kind: 'choice', choices: ['true', 'false'] }],
  ['ref|digest', { kind: 'image' }],
]);

/** Describes the commands and flags that commander's help shows; hidden ones are left out. */
export function describeProgram(program: Command): CompletedCommand {
  return describeCommand(program, '');
}

function describeCommand(command: Command, path: string): CompletedCommand {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const names = commands.map((each) => each.name());
  const describeNested = (each: Command): CompletedCommand => {
    const nested = describeCommand(each, `${path} ${each.name()}`.trim());
    // `help [command]` takes the name of another command.
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

/** Lists the command itself and all its subcommands. */
export function listCommands(command: CompletedCommand): readonly CompletedCommand[] {
  return [command, ...command.commands.flatMap(listCommands)];
}
