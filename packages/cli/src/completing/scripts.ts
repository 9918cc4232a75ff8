/**
 * The scripts that make shells complete command lines. Each asks the installed program, so it needs no change when commands do. They
 * run the program by its name, and never a file that a command line merely names.
 */
export const SCRIPTS = {
  bash: `# Completion of modelseal for bash: source <(modelseal completion bash)
_modelseal() {
  local line files= current=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  # Bash takes these characters for words of their own.
  [[ $current == [=:] ]] && current=
  while IFS= read -r line; do
    if [[ $line == :files ]]; then files=1; else COMPREPLY+=("\${line%%$'\\t'*}"); fi
  done < <(command modelseal completion answer bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
  if [[ -z $files ]]; then
    compopt +o default 2>/dev/null
  elif ((\${#COMPREPLY[@]})); then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
  fi
}
# By default, a word is the name of a file.
complete -o default -F _modelseal modelseal`,

  zsh: `#compdef modelseal
# Completion of modelseal for zsh: source <(modelseal completion zsh), after compinit; or, as a file named _modelseal, in a directory of fpath.
_modelseal() {
  local line files
  local -a found
  while IFS= read -r line; do
    if [[ $line == :files ]]; then files=1
    else found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}"); fi
  done < <(command modelseal completion answer zsh -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null </dev/null)
  compset -P '--*='
  local result=1
  (( $#found )) && _describe -t modelseal 'modelseal' found && result=0
  [[ -n $files ]] && _files && result=0
  return result
}
if [[ $funcstack[1] == _modelseal ]]; then _modelseal "$@"; else compdef _modelseal modelseal; fi`,

  fish: `# Completion of modelseal for fish: modelseal completion fish | source
function __modelseal_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    for line in (command modelseal completion answer fish -- $words[2..-1] "$current" 2>/dev/null </dev/null)
        if test "$line" = :files
            set -l option (string match --regex -- '^--[^=]+=' "$current")
            for path in (__fish_complete_path (string replace --regex -- '^--[^=]+=' '' "$current"))
                echo "$option$path"
            end
        else
            echo $line
        end
    end
end
complete --command modelseal --no-files --arguments '(__modelseal_complete)'`,
} as const

export type Shell = keyof typeof SCRIPTS

export const SHELLS = Object.keys(SCRIPTS) as Shell[]
