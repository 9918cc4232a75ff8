import type { ProgressCallback } from '@modelseal/core'
import type { Command } from 'commander'
import { commandPath } from './command-path.ts'
import { isRemote, useHubsFor } from './hubs.ts'
import { noteIdlePaths } from './ignored-paths.ts'
import { isTalkative, logLevelOf } from './log-level.ts'
import { jsonLine, printable } from './output.ts'
import { startProgress } from './progress.ts'

/** Values that a command passes on to core. */
export interface Session {
  signal: AbortSignal
  onProgress: ProgressCallback | undefined
  /** False if the log level allows only results and failures. */
  talkative: boolean
}

/** `ok` is given where the results of one command differ. Default: whether all are. */
type JsonOutput = ({ result: object } | { verdict: object }) & { ok?: boolean }

/** The result of a successful command: lines for people; for machines, fields of the JSON object, or of one for each model. */
export interface Outcome {
  lines: string[]
  json: JsonOutput | readonly JsonOutput[]
  /** For people, on standard error. */
  notes?: string[]
  /** Exit code of the process, if the result is not a success. Default 0, or that of the signal which ended the command; 0 if it was to be ended by one. */
  exitCode?: number
  /** Done once the result has been written to standard output, and not if it could not be. */
  afterwards?: () => Promise<void>
}

/** The work of a command on one model; a failure is thrown. */
type Work<Flags> = (model: string, flags: Flags, session: Session) => Promise<Outcome>

/** Flags that any command may have. */
interface CommonFlags {
  json?: boolean
  ignorePaths?: string[]
  maxWorkers?: number
  signature?: string
}

/** Turns a command's work into a commander action. */
export type Perform = <Flags>(
  work: Work<Flags>,
) => (model: string, flags: Flags & CommonFlags, command: Command) => Promise<void>

/** What a command does with the bytes of the model, for the progress bar. */
export function activityOf(command: string, model: string): string {
  if (/^push\b/.test(command)) return 'Pushing'
  if (isRemote(model)) return 'Downloading'
  return command === 'pull' ? 'Copying' : 'Hashing'
}

/** Runs commands with progress and interruption, and prints their results. */
export function performer(signal: AbortSignal): Perform {
  return (work) => async (model, flags, command) => {
    const { configureAdvisories, configureHashing } = await import('@modelseal/core')
    configureHashing({ maxThreads: flags.maxWorkers, callingThread: true })
    configureAdvisories({ refreshFirst: true })
    await useHubsFor(model, flags.signature)
    const talkative = isTalkative(logLevelOf(command))
    const progress =
      flags.json || !talkative ? undefined : startProgress(process.stderr, activityOf(commandPath(command), model))
    if (talkative && !flags.json) await noteIdlePaths(model, flags.ignorePaths ?? [])
    const session = { signal, onProgress: progress?.onProgress, talkative }
    const outcome = await work(model, flags, session).finally(() => progress?.stop())
    const toLine = (json: JsonOutput) => jsonLine({ ok: !outcome.exitCode, command: commandPath(command), ...json })
    const isWritten = await written(
      flags.json
        ? [outcome.json].flat().map(toLine).join('')
        : outcome.lines.map((line) => `${printable(line)}\n`).join(''),
    )
    if (talkative && !flags.json)
      for (const note of outcome.notes ?? []) process.stderr.write(`${printable(`Note: ${note}`)}\n`)
    if (outcome.exitCode !== undefined) process.exitCode ||= outcome.exitCode
    if (isWritten) await outcome.afterwards?.()
  }
}

/** False if the output could not be written, which the program reports. */
export function written(text: string): Promise<boolean> {
  return new Promise((resolve) => process.stdout.write(text, (error) => resolve(!error)))
}
