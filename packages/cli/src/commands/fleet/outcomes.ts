import type { FleetRun } from '@modelseal/fleet'
import { byteCount, counted, jsonLine, summary } from '../../output.ts'
import type { Outcome, Session } from '../../perform.ts'
import type { Messages } from './fleet-options.ts'
import { RunDisplay } from './run-display.ts'

/** One model of a run, as it is reported. */
export interface ModelLine {
  /** What became of it, to be counted: `signed`. */
  kind: string
  ok: boolean
  /** For people; undefined if it is not worth a line. */
  text: string | undefined
  json: object
}

/** How a run is reported. */
interface Reporting {
  command: string
  flags: { json?: boolean; progress?: boolean }
  session: Session
  messages: Messages
}

/** Reports the models of a run as they come, and sums them up. */
export async function runOutcome<T>(
  run: FleetRun<T>,
  { command, flags, session, messages }: Reporting,
  lineOf: (outcome: { model: string } & T) => ModelLine,
): Promise<Outcome> {
  const kinds = new Map<string, number>()
  let failures = 0
  const isShown = flags.progress ?? (process.stderr.isTTY && session.talkative && !flags.json)
  const display = isShown ? new RunDisplay(process.stderr, () => run.progress()) : undefined
  if (display) messages.write = (line) => display.log(line)
  try {
    for await (const outcome of run) {
      const { model } = outcome
      const line = 'error' in outcome ? failed(outcome.error) : lineOf(outcome)
      kinds.set(line.kind, (kinds.get(line.kind) ?? 0) + 1)
      if (!line.ok) failures += 1
      if (flags.json) process.stdout.write(jsonLine({ ok: line.ok, command, model, ...line.json }))
      else if (line.text !== undefined) messages.write(`${model}: ${line.text}`)
    }
  } finally {
    display?.stop()
  }
  const { jobs, reused, bytes, rejected } = run.counts
  const facts = [
    ...Array.from(kinds, ([kind, number]) => [kind, counted(number, 'model')] as const),
    ['hashed', `${byteCount(bytes)} in ${counted(jobs, 'job')}, and ${counted(reused, 'job')} done before`] as const,
    ...(rejected > 0 ? [['rejected', `${counted(rejected, 'result')} that did not count`] as const] : []),
  ]
  return {
    lines: summary(failures > 0 ? 'Done, with failures' : 'Done', facts),
    json: { result: { models: Object.fromEntries(kinds), jobs, reused, bytes, rejected } },
    ...(failures > 0 ? { exitCode: 1 } : {}),
  }
}

function failed(error: { code: string; message: string; toJSON: () => object }): ModelLine {
  return { kind: 'failed', ok: false, text: `${error.code}: ${error.message}`, json: { error: error.toJSON() } }
}
