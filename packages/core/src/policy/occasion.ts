import type { Effort } from '../verification/effort.ts'

/** The time at which bundles are judged, and the remaining budget of signature checks. */
export interface Occasion {
  /** Milliseconds since 1970. */
  now: number
  effort: Effort
}
