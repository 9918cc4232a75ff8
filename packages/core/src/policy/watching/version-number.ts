import type { CompiledPolicy } from '../policy.ts'

/** The last version that was seen of each policy that can change, and its number. */
const last = new WeakMap<object, { read: CompiledPolicy; number: number }>()

/**
 * Numbers the versions of a policy in the order in which this process sees them. A version that comes back after another one counts as
 * a later one.
 *
 * @param given what the versions come from
 * @param read the version that it has just returned
 */
export function versionNumber(given: object, read: CompiledPolicy): number {
  const before = last.get(given)
  if (before?.read === read) return before.number
  const number = (before?.number ?? 0) + 1
  last.set(given, { read, number })
  return number
}
