import { sleep, wallClock } from '../../real-time.ts'

/** The state of a file, as far as it tells when the file last changed. */
interface Changed {
  ctimeNs: bigint
}

/** Longer than a tick of the clock from which a kernel takes the times of files: milliseconds. */
const TICK = 20
/** Of file systems that keep whole seconds, or every second one. */
const COARSE_TICK = 2_000

/**
 * False while a further change may not show in the state of a file: one that is written to twice
 * within one tick of the clock has the same times after both.
 */
export function isSettled(identity: Changed): boolean {
  return ticksLeft(identity) <= 0
}

/**
 * A moment after which every change of a file shows in the time of its last change, whatever clock the file
 * system goes by, as long as nobody sets that clock back.
 */
export class Moment {
  readonly #time = wallClock()
  readonly #uptime = process.uptime()

  /**
   * True for a file that may have changed since this moment.
   *
   * @param changed when it last changed: milliseconds since 1970
   */
  mayPrecede(changed: number): boolean {
    // Also for what is no time.
    return !(changed < this.#time - COARSE_TICK - TICK)
  }

  /** True where the clock was set back since: times of changes tell nothing then. */
  get clockSetBack(): boolean {
    const passed = (process.uptime() - this.#uptime) * 1_000
    return wallClock() - this.#time < passed - COARSE_TICK / 2
  }
}

/** Waits until every further change of the files will show. */
export async function settled(identities: readonly Changed[]): Promise<void> {
  const left = identities.reduce((longest, identity) => Math.max(longest, ticksLeft(identity)), 0)
  // A clock that was set back is not waited for: what is written by it shows as well.
  if (left > 0) await sleep(Math.min(left, COARSE_TICK))
}

/** When a file last changed: milliseconds since 1970, near enough to tell older ones from younger. */
export function lastChange({ ctimeNs }: Changed): number {
  return Number(ctimeNs) / 1e6
}

/** In milliseconds. */
function ticksLeft(identity: Changed): number {
  const { ctimeNs } = identity
  // Most files are older than any clock is coarse, which needs no exact reckoning.
  const age = wallClock() - lastChange(identity)
  if (age > 2 * COARSE_TICK) return -age
  const tick = ctimeNs % 1_000_000_000n === 0n ? COARSE_TICK : TICK
  return Number(ctimeNs / 1_000_000n) + 1 + tick - wallClock()
}
