import type { FileProblem, SerializedError } from '@modelseal/core/errors'
import { CommanderError, Help, type Command } from 'commander'
import picocolors from 'picocolors'
import { causeOf, isError, messageOf } from '@modelseal/core/any-realm'
import { commandAsWritten, commandNamed, commandPath } from './command-path.ts'
import { logLevelOf } from './log-level.ts'
import { jsonLine, printable } from './output.ts'
import { suggestion } from './suggestion.ts'

/** The failure of a command. */
interface Failure {
  error: SerializedError
  /** The verdict, if a policy refused the model. */
  verdict?: object
}

/** A wrong command line, as opposed to a failed check. */
const USAGE_EXIT_CODE = 2

/**
 * Prints what went wrong: a paragraph on standard error, or with `--json` an object on standard output.
 *
 * @returns the exit code
 */
export async function reportFailure(thrown: unknown, program: Command, args: readonly string[]): Promise<number> {
  // Help and version have been printed. That is success on request, but not if the command is missing.
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0
  if (thrown instanceof CommanderError && thrown.code === 'commander.help') return USAGE_EXIT_CODE

  const command = commandNamed(program, args[0] === 'help' ? args.slice(1) : args)
  const failure = thrown instanceof CommanderError ? await wrongUsage(thrown, command) : await failureOf(thrown)
  if (asksForJson(args)) {
    const { error, verdict } = failure
    process.stdout.write(jsonLine({ ok: false, command: commandPath(command), error, verdict }))
  } else {
    process.stderr.write(await failureText(failure.error, process.stderr))
  }
  if (process.env.MODELSEAL_DEBUG === '1' || logLevelOf(program) === 'debug') process.stderr.write(tracesOf(thrown))
  return failure.error.code === 'INVALID_ARGUMENT' ? USAGE_EXIT_CODE : 1
}

function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return args.slice(0, end < 0 ? args.length : end).includes('--json')
}

async function wrongUsage({ message }: CommanderError, command: Command): Promise<Failure> {
  const { ModelSealError } = await import('@modelseal/core/errors')
  const sentence = message
    .replace(/^error: /, '')
    // Never print the value of a misspelt --password=.
    .replace(/^(unknown option '[^'=]+)=[^]*'/, "$1'")
    .replace(/\s+/g, ' ')
    .replace(/^./, (letter) => letter.toUpperCase())
  const help = `See "${`modelseal ${commandAsWritten(ownerOf(message, command))}`.trim()} --help".`
  const elsewhere = placeHint(message, command)
  const meant = meantValue(message) ?? meantOption(message, command)
  // The option itself is right, so no other name is suggested.
  const told = elsewhere === undefined ? sentence : sentence.replace(/ \(Did you mean [^)]*\)$/, '')
  const hint = elsewhere === undefined ? help : `${elsewhere} ${help}`
  const suggested = meant === undefined ? told : `${told.replace(/\.$/, '')} ${meant}`
  const question = suggested.replace(/ ?\(Did you mean (?:one of )?([^)]*)\?\)/, asked)
  const error = new ModelSealError('INVALID_ARGUMENT', /[.)?]$/.test(question) ? question : `${question}.`, { hint })
  return { error: error.toJSON() }
}

/** The command above that has the option, if its value is wrong: `--log-level` is an option of the program. */
function ownerOf(message: string, command: Command): Command {
  const [, flags] = /^error: option '([^']+)' argument/.exec(message) ?? []
  for (let above: Command | null = command; above; above = above.parent)
    if (above.options.some((option) => option.flags === flags)) return above
  return command
}

/** `(Did you mean key?)` as a sentence of its own. */
function asked(_: string, names: string): string {
  return `. Did you mean ${names
    .split(', ')
    .map((name) => `'${name}'`)
    .join(' or ')}?`
}

/** For a value that is not one of the choices. */
function meantValue(message: string): string | undefined {
  const [, value, choices] = /'([^']*)' is invalid[^.]*\. Allowed choices are ([^.]+)\.$/.exec(message) ?? []
  return value === undefined || choices === undefined ? undefined : suggestion(value, choices.split(', '))
}

/** For a misspelt option with a value after `=`, or of a method that was given without the method. */
function meantOption(message: string, command: Command): string | undefined {
  const [, option] = /^error: unknown option '(--[\w-]+)(?:=[^]*)?'$/.exec(message) ?? []
  if (option === undefined) return undefined
  const known = new Set(
    [command, ...command.commands].flatMap(({ options }) => options.flatMap(({ long }) => long ?? [])),
  )
  if (known.has(option)) return undefined
  const names = Array.from(known, (long) => long.slice(2))
  return suggestion(option.slice(2), names)
    ?.replace('mean ', 'mean --')
    .replace('one of ', 'one of --')
    .replaceAll(', ', ', --')
}

/** For an option of a method that was given without the method, of a command before the command, or of the program after it. */
function placeHint(message: string, command: Command): string | undefined {
  const [, option] = /^error: unknown option '(--[\w-]+)/.exec(message) ?? []
  if (command.parent && programOf(command).options.some(({ long }) => long === option))
    return `It comes before the command, as in "modelseal ${option} … ${commandAsWritten(command)} …".`
  const methods = command.commands.filter(({ options }) => options.some(({ long }) => long === option))
  const method = methods.find((one) => commandAsWritten(one) === commandPath(one)) ?? methods[0]
  if (!method) return undefined
  const path = commandPath(method)
  const written = commandAsWritten(method)
  return written === path
    ? `It belongs to a ${command.parent ? 'method' : 'command'}, which comes first, as in "modelseal ${path} … ${option} …".`
    : `It needs a summary of the verdict, as in "modelseal ${written} … ${option} …".`
}

function programOf(command: Command): Command {
  return command.parent ? programOf(command.parent) : command
}

async function failureOf(thrown: unknown): Promise<Failure> {
  const { ModelSealError } = await import('@modelseal/core/errors')
  if (thrown instanceof ModelSealError) {
    const { verdict } = thrown
    // Only a signal aborts a command.
    const told =
      thrown.code === 'ABORTED' ? new ModelSealError('ABORTED', 'Interrupted.', { hint: thrown.hint }) : thrown
    return { error: told.toJSON(), ...(verdict ? { verdict } : {}) }
  }
  const error = new ModelSealError('INTERNAL', `The command failed unexpectedly: ${messageOf(thrown)}.`, {
    hint: 'Run it again with MODELSEAL_DEBUG=1 and report the output.',
  })
  return { error: error.toJSON() }
}

/** Stack traces for bug reports. */
function tracesOf(thrown: unknown): string {
  // The command line is wrong, and may contain a misspelt --password=.
  if (thrown instanceof CommanderError) return ''
  const lines: string[] = []
  for (let error = thrown, depth = 0; isError(error) && depth < MOST_CAUSES; error = causeOf(error), depth++) {
    lines.push(...(depth > 0 ? ['caused by:'] : []), ...(error.stack ?? messageOf(error)).split('\n'))
  }
  return lines.map((line) => `  ${printable(line)}\n`).join('')
}

/** Causes may form a cycle. */
const MOST_CAUSES = 10

/** The properties of the output stream that affect the layout. */
interface Screen {
  isTTY?: boolean
  columns?: number
  hasColors?: () => boolean
}

/** A paragraph. If several files differ, each has its own line, up to a limit. */
export async function failureText(error: SerializedError, screen: Screen): Promise<string> {
  const colors = picocolors.createColors(screen.isTTY === true && screen.hasColors?.() === true)
  const label = colors.red(colors.bold(`Error ${error.code}:`))
  const { problems = [] } = error
  const [first = '', ...rest] = problems.length > 1 ? await listedProblems(error, problems) : [error.message]
  return [`${label} ${printable(first)}`, ...rest.map(printable)].map((line) => `${wrapped(line, screen)}\n`).join('')
}

const LISTED_PROBLEMS = 20
/** An error has at most this many problems of one kind. */
const MOST_PROBLEMS = 1_000

const PROBLEM_WORDS: Record<FileProblem['code'], string> = {
  FILE_MISMATCH: 'changed ',
  FILE_MISSING: 'missing ',
  FILE_UNSIGNED: 'unsigned',
}

async function listedProblems({ hint }: SerializedError, problems: readonly FileProblem[]): Promise<string[]> {
  const { shown } = await import('@modelseal/core/errors')
  const lines = problems.slice(0, LISTED_PROBLEMS).map(({ code, file }) => `  ${PROBLEM_WORDS[code]}  ${shown(file)}`)
  if (problems.length > LISTED_PROBLEMS) lines.push(`  and ${problems.length - LISTED_PROBLEMS} more (see --json)`)
  const count = problems.length >= MOST_PROBLEMS ? `At least ${problems.length}` : problems.length
  return [`${count} files do not match the signature:`, ...lines, ...(hint === undefined ? [] : [hint])]
}

/** Lines longer than this are hard to read, however wide the window is. */
const WIDEST = 100

function wrapped(line: string, { isTTY, columns }: Screen): string {
  return isTTY && columns ? new Help().boxWrap(line, Math.min(columns, WIDEST)) : line
}
