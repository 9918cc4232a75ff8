import { reportFailure } from './failure.ts'
import { withHelpOption } from './help-command.ts'
import { withDefaultMethod, withSummaryMethod } from './default-method.ts'
import { listenForInterrupts } from './interrupts.ts'
import { refuseMisspeltMethod } from './misspelt-method.ts'
import { causeOfMisuse } from './misspelt-option.ts'
import { spelledWithDashes } from './option-names.ts'
import { performer } from './perform.ts'
import { createProgram } from './program.ts'

/**
 * The whole program: parses, runs one command, prints, and sets the exit code of the process.
 *
 * @param args the arguments after the program's name
 * @param version of the package
 */
export async function main(args: readonly string[], version: string): Promise<void> {
  reportLostOutput()
  const interrupts = listenForInterrupts()
  const program = createProgram(version, performer(interrupts.signal), args[0])
  const normalised = withDefaultMethod(withSummaryMethod(spelledWithDashes(args, program), program), program)
  try {
    refuseMisspeltMethod(normalised, program)
    await program.parseAsync(withHelpOption(normalised, program), { from: 'user' })
    // Some commands end normally then, and for some of them, that is a success.
    if (process.exitCode !== 0) process.exitCode = interrupts.exitCode ?? process.exitCode
  } catch (error) {
    const cause = await causeOfMisuse(error, normalised, () => createProgram(version, () => async () => {}))
    const exitCode = await reportFailure(cause, program, normalised)
    process.exitCode = interrupts.exitCode ?? exitCode
    // The interrupted command may still wait for a slow disk. Do not wait for it.
    if (interrupts.exitCode !== undefined) process.exit()
  } finally {
    interrupts.stopListening()
  }
}

/** Output that could not be written is a failure. A closed pipe needs no message. */
function reportLostOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exitCode = 1
    if (error.code !== 'EPIPE')
      process.stderr.write(`Error: the output cannot be written (${error.code ?? 'unknown'}).\n`)
  })
  process.stderr.on('error', () => (process.exitCode ||= 1))
}
