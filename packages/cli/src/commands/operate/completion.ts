import { Argument, type Command } from 'commander'
import { completionsFor, type Completions } from '../../completing/completions.ts'
import { SCRIPTS, SHELLS, type Shell } from '../../completing/scripts.ts'
import { withJson } from '../../options.ts'
import { written, type Outcome, type Perform } from '../../perform.ts'

/**
 * `modelseal completion SHELL`, and the hidden command that its scripts run.
 *
 * @param createProgram creates the program with the command of this name, or with all
 */
export function addCompletion(program: Command, perform: Perform, createProgram: (only?: string) => Command): void {
  const completion = withJson(program.command('completion'))
    .description('Print the script that completes command lines of modelseal in a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', HELP)
    .action(perform(print))
  completion
    .command('answer', { hidden: true })
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .argument('[words...]', 'the words of the command line, up to the one to complete')
    .action(async (shell: Shell, given: string[]) => {
      const words = shell === 'bash' ? rejoined(given) : given
      await written(answer(completionsFor(words, createProgram(words[0])), shell))
    })
}

const HELP = `
Examples:
  $ echo 'source <(modelseal completion bash)' >> ~/.bashrc
  $ echo 'source <(modelseal completion zsh)' >> ~/.zshrc            # after the line with compinit
  $ modelseal completion fish > ~/.config/fish/completions/modelseal.fish

The scripts ask the installed program, so an update of modelseal does not change them.`

function print(shell: string): Promise<Outcome> {
  const script = SCRIPTS[shell as Shell]
  return Promise.resolve({ lines: script.split('\n'), json: { result: { shell, script } } })
}

/** Bash splits words at these characters. */
function rejoined(words: readonly string[]): string[] {
  const joined: string[] = []
  words.forEach((word, index) => {
    const isPart = index > 0 && (/^[=:]+$/.test(word) || /^[=:]+$/.test(words[index - 1] ?? ''))
    if (isPart) joined.push(`${joined.pop() ?? ''}${word}`)
    else joined.push(word)
  })
  return joined
}

/** One candidate a line, with its description after a tab; the last line says whether names of files are candidates, too. */
function answer({ candidates, files }: Completions, shell: Shell): string {
  // Only fish replaces the option with its value. The others replace what follows the equals sign.
  const shortened = (value: string) => (shell === 'fish' ? value : value.replace(/^--[^=]+=/, ''))
  const lines = candidates.map(({ value, description }) => `${shortened(value)}\t${description}\n`)
  return [...lines, ...(files ? [':files\n'] : [])].join('')
}
