import type { Effort } from '../verification/effort.ts'

/** When bundles are judged, and what that may still cost. */
export interface Occasion {
  /** Milliseconds since 1970. */
  now: number
  effort: Effort
}
