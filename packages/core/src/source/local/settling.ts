import { sleep, wallClock } from '../../real-time.ts'

/** The part of a file's state that says when it last changed. */
interface Changed {
  ctimeNs: bigint
}

/** Kernels take ctimes from a clock that ticks at least this often, in milliseconds. */
export const TICK = 20
/** For file systems whose times have a resolution of one or two seconds. */
const COARSE_TICK = 2_000

/**
 * False if a change after a moment might not show in the state of a file that was read then: two writes within one tick
 * of the clock leave the same times.
 *
 * @param moment from `wallClock()`, taken before the state was read
 */
export function isSettled(identity: Changed, moment: number): boolean {
  return ticksLeft(identity, moment) <= 0
}

/** Waits until every further change to the files will show in their state. */
export async function settled(identities: readonly Changed[]): Promise<void> {
  const left = identities.reduce((longest, identity) => Math.max(longest, ticksLeft(identity, wallClock())), 0)
  // Bounded: if the clock was set back, later changes show as well.
  if (left > 0) await sleep(Math.min(left, COARSE_TICK))
}

/** In milliseconds. */
function ticksLeft({ ctimeNs }: Changed, moment: number): number {
  // Most files are older than the coarsest tick, so no exact calculation is needed.
  const age = moment - Number(ctimeNs) / 1e6
  if (age > 2 * COARSE_TICK) return -age
  const tick = ctimeNs % 1_000_000_000n === 0n ? COARSE_TICK : TICK
  return Number(ctimeNs / 1_000_000n) + 1 + tick - moment
}
