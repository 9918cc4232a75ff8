import { InvalidArgumentError, Option, type Command } from 'commander'

/** From the most talkative to the quietest, as in the reference tool. */
const LEVELS = ['debug', 'info', 'warning', 'error', 'critical'] as const

export type LogLevel = (typeof LEVELS)[number]

/** `--log-level`, of the program: it stands before the command. */
export function logLevelOption(): Option {
  return new Option(
    '--log-level <level>',
    'debug adds stack traces to failures; warning, error and critical hide progress and fingerprints',
  )
    .argParser(logLevel)
    .env('MODEL_SIGNING_LOG_LEVEL')
    .default('info')
}

/** The level that a command line asks for; `info` where it was not understood. */
export function logLevelOf(command: Command): LogLevel {
  const { logLevel = 'info' } = command.optsWithGlobals<{ logLevel?: LogLevel }>()
  return logLevel
}

/** Whether what goes along with a result is told, too. */
export function isTalkative(level: LogLevel): boolean {
  return level === 'debug' || level === 'info'
}

function logLevel(text: string): LogLevel {
  const level = LEVELS.find((known) => known === text.toLowerCase())
  if (level === undefined) throw new InvalidArgumentError(`Allowed choices are ${LEVELS.join(', ')}.`)
  return level
}
