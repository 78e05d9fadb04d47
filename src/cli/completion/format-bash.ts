import { listCommands } from './describe-program.ts';
import { NAMES_OF_IMAGES, quote } from './quote.ts';
import type { CompletedCommand, CompletedFlag, ValueKind } from './types.ts';

/** The tables come first, and below them the functions that read them. https://www.gnu.org/software/bash/manual/bash.html#Programmable-Completion */
export function formatBash(program: CompletedCommand): string {
  const commands = listCommands(program);
  return `# Completes sealift in bash. For this shell: source <(sealift completion bash); for all: put it into
# /usr/share/bash-completion/completions/sealift

_sealift_commands() {
  case $1 in
${rows(commands, ({ commands: nested }) => nested.map(nameOf))}
  esac
}

_sealift_flags() {
  case $1 in
${rows(commands, ({ flags }) => flags.flatMap(({ names }) => names))}
  esac
}

# What stands behind a flag
_sealift_value() {
  case $1 in
${commands.flatMap((command) => command.flags.flatMap((flag) => valueRow(command, flag, false))).join('\n')}
  esac
}

# What may stand behind a flag and its =
_sealift_bound() {
  case $1 in
${commands.flatMap((command) => command.flags.flatMap((flag) => valueRow(command, flag, true))).join('\n')}
  esac
}

_sealift_argument() {
  case $1 in
${rows(commands, ({ argument }) => (argument === undefined ? [] : [describe(argument.value)]))}
  esac
}
${FUNCTION}`;
}

function nameOf({ path }: CompletedCommand): string {
  return path.slice(path.lastIndexOf(' ') + 1);
}

function rows(commands: readonly CompletedCommand[], wordsOf: (command: CompletedCommand) => readonly string[]) {
  return commands
    .map((command) => ({ path: command.path, words: wordsOf(command) }))
    .filter(({ words }) => words.length > 0)
    .map(({ path, words }) => `    ${quote(path)}) printf '%s\\n' ${words.map(quote).join(' ')} ;;`)
    .join('\n');
}

function valueRow({ path }: CompletedCommand, { names, value, isBound }: CompletedFlag, bound: boolean): string[] {
  if (value === undefined || (isBound && !bound)) return [];
  const usable = bound ? names.filter((name) => name.startsWith('--')) : names;
  return [`    ${usable.map((name) => quote(`${path} ${name}`)).join('|')}) echo ${quote(describe(value))} ;;`];
}

function describe(value: ValueKind): string {
  return value.kind === 'choice' ? `choice ${value.choices.join(' ')}` : value.kind;
}

const FUNCTION = `
# Names of images in the store that the command line is about
_sealift_images() {
  local -a about=()
  local i
  for ((i = 1; i < last; i++)); do
    case \${words[i]} in
      --daemon|--store=*|--config-file=*) about+=("\${words[i]}") ;;
      --store|-c|--config-file) about+=("\${words[i]}" "\${words[i + 1]}") ;;
    esac
  done
  "\${words[0]}" images --json "\${about[@]}" 2>/dev/null | ${NAMES_OF_IMAGES}
}

_sealift() {
  # Bash has split the words at : and =, which stand in names and behind flags.
  local line=\${COMP_LINE:0:COMP_POINT}
  local -a words
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  local last=$((\${#words[@]} - 1)) command='' pending='' plain='' prefix='' kind='' cur word i
  cur=\${words[last]}
  for ((i = 1; i < last; i++)); do
    word=\${words[i]}
    if [[ -n $pending ]]; then
      pending=''
    elif [[ -n $plain ]]; then
      continue
    elif [[ $word == -- ]]; then
      plain=yes
    elif [[ $word == -* ]]; then
      pending=$(_sealift_value "$command $word")
    elif [[ $'\\n'$(_sealift_commands "$command")$'\\n' == *$'\\n'"$word"$'\\n'* ]]; then
      command=\${command:+$command }$word
    fi
  done
  if [[ -n $pending ]]; then
    kind=$pending
  elif [[ -z $plain && $cur == -*=* ]]; then
    prefix=\${cur%%=*}=
    kind=$(_sealift_bound "$command \${cur%%=*}")
    cur=\${cur#*=}
  elif [[ -z $plain && $cur == -* ]]; then
    kind=flags
  else
    kind=$(_sealift_argument "$command")
    [[ -n $kind ]] || kind=commands
  fi
  COMPREPLY=()
  case $kind in
    flags) mapfile -t COMPREPLY < <(compgen -W "$(_sealift_flags "$command")" -- "$cur") ;;
    commands) mapfile -t COMPREPLY < <(compgen -W "$(_sealift_commands "$command")" -- "$cur") ;;
    choice*) mapfile -t COMPREPLY < <(compgen -W "\${kind#choice }" -- "$cur") ;;
    image) mapfile -t COMPREPLY < <(compgen -W "$(_sealift_images)" -- "$cur") ;;
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    directory) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
  esac
  [[ \${#COMPREPLY[@]} -gt 0 ]] || return 0
  COMPREPLY=("\${COMPREPLY[@]/#/$prefix}")
  # What bash replaces begins behind the last of these.
  local breaks='' whole=$prefix$cur
  for word in : = @; do [[ $COMP_WORDBREAKS == *"$word"* ]] && breaks+=$word; done
  [[ -n $breaks && $whole == *[$breaks]* ]] || return 0
  COMPREPLY=("\${COMPREPLY[@]#"\${whole%"\${whole##*[$breaks]}"}"}")
}

complete -F _sealift sealift
`;
