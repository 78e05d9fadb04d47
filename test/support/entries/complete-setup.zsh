# Of the shell that complete-line.zsh completes in.
PROMPT= RPROMPT=
setopt extendedglob
autoload -U compinit && compinit -D -u
bindkey '^I' complete-word
zstyle ':completion:*' insert-tab false
# Both lists are emptied by each completion.
listen() { compprefuncs=(announce-begin) comppostfuncs=(announce-end) }
announce-begin() { print; print OFFERS-BEGIN }
announce-end() { print OFFERS-END; listen }
listen
compadd() {
  # Asked for matches by a completion function, not for an offer.
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
    builtin compadd "$@"
    return
  fi
  local -a hits
  builtin compadd -A hits "$@"
  print -rl -- $hits
  builtin compadd "$@"
}
source $1
print SETUP-DONE
