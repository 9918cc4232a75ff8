import type { Command } from 'commander'

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
