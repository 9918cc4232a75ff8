import { InvalidArgumentError, Option, type Command } from 'commander'
import { pathsOption } from './options.ts'
import type { Outcome, Perform, Session } from './perform.ts'

/** Flags of every command that reads several journals. */
export interface JournalsFlags {
  key: string[]
}

/** The journals that a command reads, and their keys by their directory. */
export interface Journals {
  journals: string[]
  keys: Record<string, string>
}

/** Adds the journals and `--key`. */
export function withJournals(command: Command): Command {
  return command
    .argument('<journal...>', 'directories of journals, of any number of hosts')
    .addOption(
      pathsOption('--key <key>', 'key of the host, one for each journal in their order').default(
        [],
        'the ones in the journals',
      ),
    )
}

/** Turns the work of a command on several journals into a commander action. */
export function onJournals<Flags extends JournalsFlags>(
  perform: Perform,
  work: (journals: Journals, flags: Flags, session: Session) => Promise<Outcome>,
) {
  return (journals: string[], flags: Flags, command: Command): Promise<void> => {
    const { key } = flags
    if (journals.includes('')) command.error('error: the path of a journal is empty')
    if (key.length > 0 && key.length !== journals.length)
      command.error("error: give '--key' once for each journal, or not at all")
    const keys = Object.fromEntries(
      journals.flatMap((journal, index) => (key[index] === undefined ? [] : [[journal, key[index]] as const])),
    )
    return perform<Flags>((_, given, session) => work({ journals, keys }, given, session))('', flags, command)
  }
}

/** An option whose value is a time. */
export function timeOption(flags: string, description: string): Option {
  return new Option(flags, `${description} (ISO 8601)`).argParser(time)
}

function time(text: string): Date {
  const date = new Date(text)
  if (/^\d{4}-\d\d/.test(text) && !Number.isNaN(date.getTime())) return date
  throw new InvalidArgumentError('Expected a time such as 2026-11-02 or 2026-11-02T10:00:00Z.')
}
