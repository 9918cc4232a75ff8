import { Command, CommanderError } from 'commander'

/**
 * What commander suggests for a misspelt word, so that all kinds of words get the same: `(Did you mean key?)`.
 *
 * @returns undefined if none of the words is similar
 */
export function suggestion(word: string, words: readonly string[]): string | undefined {
  if (word === '') return undefined
  const strict = new Command()
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
  for (const known of words) strict.command(known)
  try {
    strict.parse(['--', word.toLowerCase()], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return /\(Did you mean [^)]*\)/.exec(error.message)?.[0]
    throw error
  }
  return undefined
}
