import type { Command } from 'commander'
import { commandPath } from './command-path.ts'
import { refuseIfSimilar } from './misspelt-method.ts'

/**
 * `help sign key` means `sign key --help`. The help command of commander knows one word, and ignores those after it.
 *
 * @throws CommanderError if there is no such command
 */
export function withHelpOption(args: readonly string[], program: Command): string[] {
  const [first, ...words] = args
  if (first !== 'help') return [...args]
  const path = words.filter((word) => !word.startsWith('-'))
  path.reduce(commandBelow, program)
  return [...path, '--help']
}

function commandBelow(command: Command, word: string): Command {
  const below = command.commands.find((known) => known.name() === word)
  if (below) return below
  if (word === 'help') return command
  refuseIfSimilar(word, command)
  const name = commandPath(command)
  return command.error(
    command.commands.length === 0
      ? `error: '${name}' has no commands below it`
      : `error: unknown command '${word}'${name === '' ? '' : ` of '${name}'`}`,
  )
}
