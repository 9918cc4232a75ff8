import type { Command } from 'commander'

/**
 * The reference tool spells some options with `_` and some with `-`, so both are accepted here: names of known options get
 * dashes. Values, everything after `--`, and unknown options stay as they are.
 */
export function spelledWithDashes(args: readonly string[], program: Command): string[] {
  const takesValue = optionNames(program)
  const spelled: string[] = []
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? ''
    if (arg === '--') return [...spelled, ...args.slice(index)]
    const [, name = '', value] = /^(--[^=]+)(=.*)?$/s.exec(arg) ?? []
    const dashed = name.replaceAll('_', '-')
    const known = takesValue.get(dashed)
    spelled.push(known === undefined ? arg : dashed + (value ?? ''))
    // A value may look like an option; it is still a value.
    if (known && value === undefined && index + 1 < args.length) spelled.push(args[++index] ?? '')
  }
  return spelled
}

/** The long options of all commands, each with whether a value follows it. */
export function optionNames(command: Command): Map<string, boolean> {
  const names = new Map(command.commands.flatMap((child) => [...optionNames(child)]))
  for (const { long, required } of command.options) if (long) names.set(long, required)
  return names
}
