import type { TrustRootInfo } from '@modelseal/core/verification'

/** The origin and age of a trusted root, in one line. */
export function originOf(info: TrustRootInfo, shown: (name: string) => string, now = Date.now()): string {
  const { name, source, newest, fetched, expires } = info
  if (source === 'file') return `from the file ${shown(name)}; its newest key has been in use since ${dayOf(newest)}`
  if (fetched === undefined || expires === undefined)
    return `${shown(name)}, included in this program; its newest key has been in use since ${dayOf(newest)}`
  const state = Date.parse(expires) <= now ? 'an update has been overdue since' : 'the instance vouches for it until'
  return `${shown(name)}, fetched on ${dayOf(fetched)} (${ago(now - Date.parse(fetched))}); ${state} ${dayOf(expires)}`
}

const DAY_MS = 86_400_000

function dayOf(time: string): string {
  return time.slice(0, 10)
}

function ago(milliseconds: number): string {
  const days = Math.floor(milliseconds / DAY_MS)
  if (days < 1) return 'less than a day ago'
  return days === 1 ? 'a day ago' : `${days} days ago`
}
