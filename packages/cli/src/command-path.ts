import type { Command } from 'commander'

/** The words that lead to a command, without the program's name: `verify key`. */
export function commandPath(command: Command): string {
  if (!command.parent) return ''
  return `${commandPath(command.parent)} ${command.name()}`.trim()
}

/** The same as a user writes it: `verify --vsa key` for the hidden command `verify vsa-key`. */
export function commandAsWritten(command: Command): string {
  return commandPath(command).replace(/^verify vsa-/, 'verify --vsa ')
}

/** The command that a command line names, or the nearest one above it. */
export function commandNamed(program: Command, args: readonly string[]): Command {
  const [first = '', ...rest] = args
  const option = program.options.find(({ long }) => long === first.split('=')[0])
  if (option) return commandNamed(program, option.required && !first.includes('=') ? rest.slice(1) : rest)
  const child = program.commands.find((command) => command.name() === first)
  return child ? commandNamed(child, rest) : program
}
