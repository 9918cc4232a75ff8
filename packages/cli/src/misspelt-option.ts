import { CommanderError, type Command } from 'commander'

/**
 * The cause of a failure to parse a command line. If a required option is missing because its name is misspelt, the
 * misspelt name is reported instead.
 *
 * @param newProgram creates a program whose commands do nothing
 */
export async function causeOfMisuse(
  thrown: unknown,
  args: readonly string[],
  newProgram: () => Command,
): Promise<unknown> {
  if (!(thrown instanceof CommanderError) || thrown.code !== 'commander.missingMandatoryOptionValue') return thrown
  const lenient = newProgram()
  requireNothing(lenient)
  try {
    await lenient.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.code === 'commander.unknownOption') return error
  }
  return thrown
}

function requireNothing(command: Command): void {
  for (const option of command.options) option.makeOptionMandatory(false)
  command.commands.forEach(requireNothing)
}
