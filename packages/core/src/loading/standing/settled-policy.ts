import { isPolicy, type CompiledPolicy } from '../../policy/policy.ts'
import { modifiedAt } from '../../policy/reading/file-state.ts'
import type { WatchedPolicy } from '../../policy/watching/watch-policy.ts'
import { monotonic, wallClock } from '../../real-time.ts'
import { versionOf, type JudgedBy } from '../judging/judged-by.ts'
import { pause, soon } from './soon.ts'

/** A changed policy counts once its files stayed the same for so long, in milliseconds. */
const SETTLED = 2_000
/** Or once they have changed for so long without a pause. */
const LONGEST = 10_000

/** A version of a policy, and its number. */
type NumberedVersion = Pick<JudgedBy, 'read' | 'number'>

interface Settling {
  /** The last version that had settled. */
  settled: NumberedVersion | undefined
  newest: CompiledPolicy
  seenAt: number
  /** When the first version was seen that has not settled. */
  since: number
}

const settling = new WeakMap<WatchedPolicy, Settling>()

/**
 * The version of a watched policy by which loaded models are judged. A file that is written in pieces can be a valid policy before it is
 * complete, and a model that is revoked stays revoked, so a version counts only once its files have stayed the same for two seconds.
 *
 * @param patience how long reading it may take, in milliseconds
 * @returns `later` resolves when there may be another one
 */
export async function settledPolicy(
  given: WatchedPolicy,
  patience: number,
): Promise<{ version: NumberedVersion | undefined; later: Promise<unknown> | undefined }> {
  const reading = currentOf(given)
  const seen = await soon(reading, patience)
  const before = settling.get(given)
  if (!seen) return { version: before?.settled, later: reading }
  const { newest } = seen
  if (!newest || newest.read === before?.settled?.read) {
    if (before?.settled) before.newest = (before.settled = newest ?? before.settled).read
    return { version: before?.settled, later: undefined }
  }
  const now = monotonic()
  const isKnown = before?.newest === newest.read
  const isSettling = before !== undefined && before.newest !== before.settled?.read
  const state: Settling = {
    settled: before?.settled,
    newest: newest.read,
    seenAt: isKnown ? before.seenAt : now,
    since: isSettling ? before.since : now,
  }
  settling.set(given, state)
  // A file from the future, or on a machine with another clock, is judged by how long it has been seen.
  const unchangedFor = Math.max(wallClock() - modifiedAt(newest.read.files), now - state.seenAt)
  if (unchangedFor >= SETTLED || now - state.since >= LONGEST) state.settled = newest
  const settled = state.settled === newest
  return {
    version: state.settled,
    later: settled ? undefined : pause(Math.min(SETTLED, SETTLED - unchangedFor)),
  }
}

/** An object that poses as a watched policy may fail. */
async function currentOf(given: WatchedPolicy): Promise<{ newest: NumberedVersion | undefined }> {
  try {
    const policy: unknown = await given.current()
    return { newest: isPolicy(policy) ? versionOf(given, policy) : undefined }
  } catch {
    return { newest: undefined }
  }
}
