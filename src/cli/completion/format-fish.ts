import { listCommands } from './describe-program.ts';
import { NAMES_OF_IMAGES } from './quote.ts';
import type { CompletedCommand, CompletedFlag, ValueKind } from './types.ts';

/** The script is a list of conditions. https://fishshell.com/docs/current/cmds/complete.html */
export function formatFish(program: CompletedCommand): string {
  const commands = listCommands(program);
  const paths = commands
    .filter(({ path }) => path !== '')
    .map(({ path }) => quote(path.includes(' ') ? path : ` ${path}`));
  return `# Completes sealift in fish. For this shell: sealift completion fish | source; for all: put it into
# /usr/share/fish/vendor_completions.d/sealift.fish

# The words in front of the cursor that are a command
function __sealift_command
    set -l command ''
    set -l skip no
    for word in (commandline -opc)[2..-1]
        if test $skip = yes
            set skip no
            continue
        end
        switch "$command $word"
            case ${paths.join(' ')}
                set command (string trim -- "$command $word")
            case ${commands.flatMap(valuedFlags).join(' ')}
                set skip yes
        end
    end
    echo $command
end

function __sealift_is
    test (__sealift_command)x = "$argv[1]"x
end

function __sealift_images
    sealift images --json 2>/dev/null | ${NAMES_OF_IMAGES}
end

complete -c sealift -f
${commands.flatMap(formatCommand).join('\n')}
`;
}

/** Quotes one word for fish, which knows two escapes between single quotes. */
function quote(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}

function valuedFlags({ path, flags }: CompletedCommand): readonly string[] {
  return flags
    .filter(({ value, isBound }) => value !== undefined && !isBound)
    .flatMap(({ names }) => names.map((name) => quote(`${path} ${name}`)));
}

function formatCommand({ path, commands, flags, argument }: CompletedCommand): readonly string[] {
  const start = `complete -c sealift -n ${quote(`__sealift_is ${quote(path)}`)}`;
  const nested = commands.map(({ path: below, description }) => {
    return `${start} -a ${below.slice(below.lastIndexOf(' ') + 1)} -d ${quote(description)}`;
  });
  const words = argument === undefined ? '' : candidates(argument.value);
  return [
    ...nested,
    ...flags.flatMap((flag) => formatFlag(flag, start)),
    ...(words === '' ? [] : [`${start} ${words}`]),
  ];
}

function formatFlag({ names, description, value, isBound }: CompletedFlag, start: string): readonly string[] {
  const written = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const flag = `${start} ${written.join(' ')} -d ${quote(description)}`;
  if (value === undefined) return [flag];
  // Without -f, fish would offer files as well.
  if (!isBound) return [`${flag} ${value.kind === 'file' ? '-r' : '-x'} ${candidates(value)}`.trimEnd()];
  const choices = value.kind === 'choice' ? value.choices : [];
  return [flag, `${start} -a ${quote(choices.map((choice) => `${names.at(-1)}=${choice}`).join(' '))}`];
}

function candidates(value: ValueKind): string {
  switch (value.kind) {
    case 'choice':
      return `-a ${quote(value.choices.join(' '))}`;
    case 'file':
      return '-F';
    case 'directory':
      return `-a ${quote('(__fish_complete_directories)')}`;
    case 'image':
      return `-a ${quote('(__sealift_images)')}`;
    default:
      return '';
  }
}
