import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { commandPath } from './command-path.ts'
import { optionNames } from './option-names.ts'
import { suggestion } from './suggestion.ts'

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
  if (command && !rest.some((arg) => arg === '--help' || arg === '-h')) refuseIn(command, rest)
}

function refuseIn(command: Command, args: readonly string[]): void {
  const [word, ...rest] = fromFirstWord(args, command)
  if (word === undefined || command.commands.length === 0) return
  const method = command.commands.find((known) => known.name() === word)
  if (method) refuseIn(method, rest)
  else if (!existsSync(word)) refuseIfSimilar(word, command)
}

/**
 * Refuses a word that is similar to a command below this one.
 *
 * @throws CommanderError
 */
export function refuseIfSimilar(word: string, command: Command): void {
  const methods = command.commands.map((method) => method.name())
  const meant = Object.hasOwn(OTHER_NAMES, word) ? OTHER_NAMES[word] : undefined
  const suggested =
    meant !== undefined && methods.includes(meant) ? `(Did you mean ${meant}?)` : suggestion(word, methods)
  if (suggested === undefined) return
  const name = commandPath(command)
  const kind = methods.includes('key') ? 'method' : 'command'
  command.error(`error: unknown ${kind} '${word}'${name === '' ? '' : ` of '${name}'`} ${suggested}`)
}

/** Skips the options before the first word, including those of an omitted method, and their values. */
function fromFirstWord(args: readonly string[], command: Command): readonly string[] {
  const takesValue = optionNames(command)
  let index = 0
  while (args[index]?.startsWith('-') && args[index] !== '--') index += takesValue.get(args[index] ?? '') ? 2 : 1

  return args.slice(args[index] === '--' ? args.length : index)
}
