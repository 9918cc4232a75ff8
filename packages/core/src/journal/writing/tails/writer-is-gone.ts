import { readFileSync } from 'node:fs'
import { hostname, uptime } from 'node:os'
import { errno } from '../../../source/file-errors.ts'
import { procFile } from '../../../source/proc-file.ts'
import type { RecordOf } from '../../format/record.ts'

/** A write that is in progress is taken back if it fails. So nothing is committed for a segment that was just written. */
export const SOME_IDLE = 5_000
/** A writer commits what it wrote within a minute. Later, whatever is uncovered is left. */
export const MOST_IDLE = 10 * 60_000
/** The time at which a process started is known only so well. */
const SAME_TIME = 10_000
/** Of the times in `/proc`, per second. */
const TICKS = 100

/**
 * Whether the writer of a segment runs no more. That is a guess: in another container, for example, processes have other numbers. If it is
 * wrong, the writer goes on after what was committed for it, because that is complete, on the disk, and not being written at the moment.
 *
 * @param host name of this host in records, if the settings name it
 */
export function isWriterGone(
  { host: itsHost, pid, started }: RecordOf<'segment'>,
  { idle, host = hostname() }: { idle: number; host: string | undefined },
): boolean {
  if (idle >= MOST_IDLE) return true
  if (itsHost !== host) return false
  const found = startOf(pid)
  if (found === undefined) return false
  return found === 'none' || Math.abs(found - Date.parse(started)) > SAME_TIME
}

/** When the process with a number was started; undefined if that is not known. */
function startOf(pid: number): number | 'none' | undefined {
  if (pid === process.pid) return Date.now() - process.uptime() * 1_000
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (errno(error) === 'ESRCH') return 'none'
  }
  try {
    // proc(5): the name of the program in parentheses may contain anything. After it, the start is the 20th field.
    const [, rest = ''] = /^.*\) (.*)$/s.exec(readFileSync(procFile(`${pid}/stat`), 'utf8')) ?? []
    const ticks = Number(rest.split(' ')[19])
    return Number.isFinite(ticks) ? Date.now() - (uptime() - ticks / TICKS) * 1_000 : undefined
  } catch {
    return undefined
  }
}
