/** A duration as written in the policy: calendar months have no fixed length. */
export interface Duration {
  months: number
  milliseconds: number
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const UNITS = { s: SECOND, m: MINUTE, h: HOUR, d: 24 * HOUR, w: 7 * 24 * HOUR } as const

const SHORT = /^(\d{1,6})([smhdw])$/
// ISO 8601-1:2019, 5.5.2.2: whole numbers only.
const ISO =
  /^P(?=.)(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?=.)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?)?$/

/** Both forms, for the schema. */
export const DURATION = new RegExp(`${SHORT.source}|${ISO.source}`)

/**
 * Parses `30s`, `10m` (minutes), `12h`, `180d`, `2w` or an ISO 8601 duration such as `P6M` (months) or `PT36H`.
 *
 * @returns undefined for anything else
 */
export function parseDuration(text: string): Duration | undefined {
  const short = SHORT.exec(text)
  if (short) return { months: 0, milliseconds: Number(short[1]) * UNITS[short[2] as keyof typeof UNITS] }
  const iso = ISO.exec(text)
  if (!iso) return undefined
  const [years, months, weeks, days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part || 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return {
    months: 12 * years + months,
    milliseconds: weeks * UNITS.w + days * UNITS.d + hours * HOUR + minutes * MINUTE + seconds * SECOND,
  }
}

/** The time `duration` before `time`, both in milliseconds since 1970, in the UTC calendar. */
export function before(time: number, { months, milliseconds }: Duration): number {
  const date = new Date(time)
  const day = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() - months)
  // A month before the 31st is the last day of a shorter month.
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
  date.setUTCDate(Math.min(day, lastDay))
  return date.getTime() - milliseconds
}
