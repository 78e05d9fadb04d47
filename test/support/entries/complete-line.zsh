# complete-line.zsh SCRIPT LINE...: what zsh would offer behind each LINE, one on a line below `LINE:`, once SCRIPT is read.
# An interactive shell in a terminal of its own completes; a wrapper around `compadd` prints what it is given.
zmodload zsh/zpty || exit 2
zpty shell zsh -f -i
zpty -w shell "source ${(q)0:A:h}/complete-setup.zsh ${(q)1}"
while zpty -r shell line; do [[ $line == *SETUP-DONE* ]] && break; done
for text in "${@:2}"; do
  print -r -- "LINE:$text"
  zpty -w -n shell $'\x15'"$text"$'\t'
  offers=no
  while zpty -r shell line; do
    line=${line//[$'\r\n']/}
    case $line in
      *OFFERS-BEGIN*) offers=yes ;;
      *OFFERS-END*) break ;;
      ?*) [[ $offers == yes ]] && print -r -- $line ;;
    esac
  done
done
zpty -d shell
