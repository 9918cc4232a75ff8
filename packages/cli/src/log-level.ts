import { InvalidArgumentError, Option, type Command } from 'commander'

/** From the most to the least verbose, as in the reference tool. */
const LEVELS = ['debug', 'info', 'warning', 'error', 'critical'] as const

type LogLevel = (typeof LEVELS)[number]

/** `--log-level`, an option of the program: it comes before the command. */
export function logLevelOption(): Option {
  return new Option(
    '--log-level <level>',
    'debug adds stack traces to failures; warning, error and critical hide progress and fingerprints',
  )
    .choices(LEVELS)
    .argParser(logLevel)
    .env('MODEL_SIGNING_LOG_LEVEL')
    .default('info')
}

/** The level of a command line; `info` if it was not understood. */
export function logLevelOf(command: Command): LogLevel {
  const { logLevel = 'info' } = command.optsWithGlobals<{ logLevel?: LogLevel }>()
  return logLevel
}

/** Whether to print more than results and failures. */
export function isTalkative(level: LogLevel): boolean {
  return level === 'debug' || level === 'info'
}

function logLevel(text: string): LogLevel {
  const level = LEVELS.find((known) => known === text.toLowerCase())
  if (level === undefined) throw new InvalidArgumentError(`Allowed choices are ${LEVELS.join(', ')}.`)
  return level
}
