import type { Command } from 'commander'

/**
 * The reference tool spells some options with `_` and some with `-`, and its users know both. Here
 * both mean the same: names of known options get dashes. Values stay as they are, and so does
 * everything after `--` and whatever is not an option of this program.
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
