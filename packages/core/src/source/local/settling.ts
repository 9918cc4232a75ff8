import { sleep, wallClock } from '../../real-time.ts'

/** The part of a file's state that says when it last changed. */
interface Changed {
  ctimeNs: bigint
}

/** Longer than one tick of the clock that kernels use for file times, in milliseconds. */
const TICK = 20
/** For file systems whose times have a resolution of one or two seconds. */
const COARSE_TICK = 2_000

/**
 * False while another change might not show in the state of a file: two writes within one tick of the clock leave the
 * same times.
 */
export function isSettled(identity: Changed): boolean {
  return ticksLeft(identity) <= 0
}

/**
 * A moment after which every change to a file shows in its ctime, whatever the clock of the file system, as long as
 * that clock is not set back.
 */
export class Moment {
  readonly #time = wallClock()
  readonly #uptime = process.uptime()

  /**
   * True if a file may have changed since this moment.
   *
   * @param changed when it last changed, in milliseconds since 1970
   */
  mayPrecede(changed: number): boolean {
    // Written so that NaN is true as well.
    return !(changed < this.#time - COARSE_TICK - TICK)
  }

  /** True if the clock was set back since then, which makes file times meaningless. */
  get clockSetBack(): boolean {
    const passed = (process.uptime() - this.#uptime) * 1_000
    return wallClock() - this.#time < passed - COARSE_TICK / 2
  }
}

/** Waits until every further change to the files will show in their state. */
export async function settled(identities: readonly Changed[]): Promise<void> {
  const left = identities.reduce((longest, identity) => Math.max(longest, ticksLeft(identity)), 0)
  // Bounded: if the clock was set back, later changes show as well.
  if (left > 0) await sleep(Math.min(left, COARSE_TICK))
}

/** When a file last changed, in milliseconds since 1970; precise enough to compare ages. */
export function lastChange({ ctimeNs }: Changed): number {
  return Number(ctimeNs) / 1e6
}

/** In milliseconds. */
function ticksLeft(identity: Changed): number {
  const { ctimeNs } = identity
  // Most files are older than the coarsest tick, so no exact calculation is needed.
  const age = wallClock() - lastChange(identity)
  if (age > 2 * COARSE_TICK) return -age
  const tick = ctimeNs % 1_000_000_000n === 0n ? COARSE_TICK : TICK
  return Number(ctimeNs / 1_000_000n) + 1 + tick - wallClock()
}
