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
    return {
      added: [...after].flatMap(([name, entries]) => (before.has(name) ? [] : [...entries.values()])),
      removed: [...before].flatMap(([name, entries]) => (after.has(name) ? [] : [...entries.values()])),
      changed: [...after].flatMap(([name, entries]) => {
        const earlier = before.get(name)
        return earlier && !haveSameKeys(earlier, entries) ? [...entries.values()] : []
      }),
    }
  })
}

/** By what they deny, and then by their details: the same thing may be denied for several periods. */
function byName(denied: Denied): Map<string, Map<string, ListedEntry>> {
  const found = new Map<string, Map<string, ListedEntry>>()
  for (const one of listedEntries(denied))
    found.set(one.name, (found.get(one.name) ?? new Map<string, ListedEntry>()).set(detailsOf(one), one))
  return found
}

function haveSameKeys(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): boolean {
  return one.size === other.size && [...one.keys()].every((key) => other.has(key))
}
