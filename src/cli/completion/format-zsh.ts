import { listCommands } from './describe-program.ts';
import { NAMES_OF_IMAGES, quote } from './quote.ts';
import type { CompletedCommand, CompletedFlag, ValueKind } from './types.ts';

/** The script has one function for each command. https://zsh.sourceforge.io/Doc/Release/Completion-System.html */
export function formatZsh(program: CompletedCommand): string {
  return `#compdef sealift
# Completes sealift in zsh. For this shell: source <(sealift completion zsh); for all: put it as _sealift into a folder
# of $fpath, such as /usr/share/zsh/vendor-completions

_sealift_images() {
  local -a names
  names=(\${(f)"$("$program" images --json 2>/dev/null | ${NAMES_OF_IMAGES})"})
  compadd -a names
}

${listCommands(program).map(formatCommand).join('\n')}
_sealift() {
  local program=$words[1]
  _sealift_run "$@"
}

if [[ $funcstack[1] == _sealift ]]; then
  _sealift "$@"
else
  compdef _sealift sealift
fi
`;
}

function functionOf(path: string): string {
  return ['_sealift_run', ...path.split(' ').filter((word) => word !== '')].join('_');
}

function formatCommand(command: CompletedCommand): string {
  const flags = command.flags.map(formatFlag);
  return command.commands.length > 0 ? formatDispatcher(command, flags) : formatLeaf(command, flags);
}

function formatLeaf({ path, argument }: CompletedCommand, flags: readonly string[]): string {
  const specs =
    argument === undefined
      ? flags
      : [...flags, quote(`${argument.isVariadic ? '*' : '1'}: :${action(argument.value)}`)];
  return `${functionOf(path)}() {
  _arguments -s \\
    ${specs.join(' \\\n    ')}
}
`;
}

function formatDispatcher({ path, commands }: CompletedCommand, flags: readonly string[]): string {
  const names = commands.map(({ path: nested }) => nested.slice(nested.lastIndexOf(' ') + 1));
  const described = commands.map(({ description }, at) => quote(`${names[at]}:${description}`));
  const cases = commands.map(({ path: nested }, at) => `    ${names[at]}) ${functionOf(nested)} ;;`);
  return `${functionOf(path)}() {
  local curcontext=$curcontext state line
  local -a commands
  _arguments -C \\
    ${[...flags, quote('1: :->command'), quote('*:: :->words')].join(' \\\n    ')} && return
  if [[ $state == command ]]; then
    commands=(
      ${described.join('\n      ')}
    )
    _describe -t commands command commands
    return
  fi
  case $line[1] in
${cases.join('\n')}
  esac
}
`;
}

/** Escapes brackets and colons, which end the parts of a specification. */
function escapeSpec(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&');
}

function formatFlag({ names, description, value, isBound }: CompletedFlag): string {
  const about = `[${escapeSpec(description)}]`;
  const behind = value === undefined ? '' : `:${isBound ? ':' : ''} :${action(value)}`;
  const written = names.map((name) => `${name}${separator(name, value, isBound)}`);
  if (written.length === 1) return quote(`${written[0]}${about}${behind}`);
  return `${quote(`(${names.join(' ')})`)}{${written.join(',')}}${quote(`${about}${behind}`)}`;
}

function separator(name: string, value: ValueKind | undefined, isBound: boolean): string {
  if (value === undefined) return '';
  if (isBound) return '=-';
  return name.startsWith('--') ? '=' : '+';
}

function action(value: ValueKind): string {
  switch (value.kind) {
    case 'choice':
      return `(${value.choices.join(' ')})`;
    case 'file':
      return '_files';
    case 'directory':
      return '_files -/';
    case 'image':
      return '_sealift_images';
    default:
      return '';
  }
}
