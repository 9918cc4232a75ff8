import { withLibraries } from '../when-needed.ts'
import { detailsOf, listedEntries, type ListedEntry } from './entries.ts'
import { givenDenied } from './feed-entries.ts'
import type { Denied } from './feed-schema.ts'

/** How what is denied differs between two versions of a feed. */
export interface FeedChanges {
  /** Denied by the second only. */
  added: readonly ListedEntry[]
  /** Denied by the first only, so that the second accepts it again. */
  removed: readonly ListedEntry[]
  /** Denied by both, with another period, reason or severity: as in the second. */
  changed: readonly ListedEntry[]
}

/**
 * Compares what two versions of a feed deny, whatever the order and notation of their entries.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if one of them is not a feed
 * @example
 * ```ts
 * const { added, removed } = await compareFeeds(old.feed, new.feed)
 * ```
 */
export async function compareFeeds(first: { denied: Denied }, second: { denied: Denied }): Promise<FeedChanges> {
  return changesBetween(await givenDenied(first, 'compareFeeds'), await givenDenied(second, 'compareFeeds'))
}

/** Like {@link compareFeeds}, for lists that were checked. */
export function changesBetween(first: Denied, second: Denied): Promise<FeedChanges> {
  return withLibraries(() => {
    const [before, after] = [byName(first), byName(second)]
    const kept = [...after].filter(([name]) => before.has(name))
    return {
      added: [...after].flatMap(([name, entry]) => (before.has(name) ? [] : [entry])),
      removed: [...before].flatMap(([name, entry]) => (after.has(name) ? [] : [entry])),
      changed: kept.flatMap(([name, one]) => (detailsOf(one) === detailsOf(before.get(name)) ? [] : [one])),
    }
  })
}

function byName(denied: Denied): Map<string, ListedEntry> {
  return new Map(listedEntries(denied).map((one) => [one.name, one]))
}
