import type { Command } from 'commander'
import { optionNames } from './option-names.ts'

/**
 * As with the reference tool, `verify MODEL --identity I ...` means `verify sigstore`. Without an
 * identity, `verify MODEL` is by policy.
 *
 * @param args with options spelled with dashes
 */
export function withDefaultMethod(args: readonly string[], program: Command): string[] {
  const [command, method, ...rest] = args
  const methods = program.commands.find((known) => known.name() === 'verify')?.commands ?? []
  if (command !== 'verify' || method === undefined || methods.some((known) => known.name() === method)) return [...args]
  const end = args.indexOf('--')
  const options = end < 0 ? args : args.slice(0, end)
  const byIdentity = options.some((arg) => /^--identity(-provider)?(=|$)/.test(arg))
  return byIdentity ? ['verify', 'sigstore', method, ...rest] : [...args]
}

/**
 * `verify MODEL --vsa key OUT …` means `verify vsa-key MODEL OUT …`, a command that has the options of this method of signing.
 *
 * @param args with options spelled with dashes
 */
export function withSummaryMethod(args: readonly string[], program: Command): string[] {
  const verify = program.commands.find((known) => known.name() === 'verify')
  const start = args.indexOf('verify') + 1
  if (!verify || start === 0) return [...args]
  const takesValue = optionNames(verify)
  for (let index = start; index < args.length && args[index] !== '--'; index++) {
    const [option, value = args[index + 1]] = /^(--vsa)(?:=(.*))?$/s.exec(args[index] ?? '')?.slice(1) ?? []
    if (option !== undefined && verify.commands.some((method) => method.name() === `vsa-${value}`)) {
      const after = args.slice(index + (args[index] === option ? 2 : 1))
      return [...args.slice(0, start), `vsa-${value}`, ...args.slice(start, index), ...after]
    }
    // A value may look like an option; it is still a value.
    if (takesValue.get(args[index] ?? '')) index++
  }
  return [...args]
}
