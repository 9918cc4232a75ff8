import { existsSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { optionNames } from './option-names.ts'

/** Names of methods in other tools. */
const OTHER_NAMES: Readonly<Partial<Record<string, string>>> = {
  keyless: 'sigstore',
  cert: 'certificate',
  certs: 'certificate',
  x509: 'certificate',
  pkcs11: 'pkcs11-key',
  hsm: 'pkcs11-key',
}

/**
 * Without a method, `sign` and `verify` take a model, so a misspelt method would be taken for one. Refuses a word that is
 * similar to a method and is not a file.
 *
 * @param args with options spelled with dashes
 * @throws CommanderError
 */
export function refuseMisspeltMethod(args: readonly string[], program: Command): void {
  const [name, ...rest] = fromFirstWord(args, program)
  const command = program.commands.find((known) => known.name() === name)
  if (!command || command.commands.length === 0 || rest.some((arg) => arg === '--help' || arg === '-h')) return
  const [word] = fromFirstWord(rest, command)
  const methods = command.commands.map((method) => method.name())
  if (word === undefined || methods.includes(word) || existsSync(word)) return
  const meant = Object.hasOwn(OTHER_NAMES, word) ? OTHER_NAMES[word] : undefined
  const suggestion =
    meant !== undefined && methods.includes(meant) ? `(Did you mean ${meant}?)` : nearMethod(word, methods)
  if (suggestion !== undefined) command.error(`error: unknown method '${word}' of '${name ?? ''}' ${suggestion}`)
}

/** Skips the options before the first word, including those of an omitted method, and their values. */
function fromFirstWord(args: readonly string[], command: Command): readonly string[] {
  const takesValue = optionNames(command)
  let index = 0
  while (args[index]?.startsWith('-') && args[index] !== '--') index += takesValue.get(args[index] ?? '') ? 2 : 1

  return args.slice(args[index] === '--' ? args.length : index)
}

/** Uses the suggestions of commander. */
function nearMethod(word: string, methods: readonly string[]): string | undefined {
  const strict = new Command().exitOverride().configureOutput({ outputError: () => {} })
  for (const method of methods) strict.command(method)
  try {
    strict.parse([word], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return /\(Did you mean [^)]*\)/.exec(error.message)?.[0]
    throw error
  }
  return undefined
}
