import type { Danger } from './finding.ts'

/** Long enough to order, sign and roll out a new one. */
const NOTICE = 30 * 24 * 3_600_000

/** Warns about something that ends soon or has ended. @param what beginning of the message, up to the time */
export function lapse(code: Danger['code'], what: string, end: number, now: number): Danger[] {
  if (end > now + NOTICE) return []
  return [{ severity: 'warning', code, message: `${what} from ${new Date(end).toISOString()} on.` }]
}
