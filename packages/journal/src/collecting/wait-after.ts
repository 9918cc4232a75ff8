/** Waits while another machine is away, in milliseconds. */
const [FIRST_WAIT, LONGEST_WAIT] = [1_000, 300_000]

/** Twice as long after each failure, and never all hosts at the same time. */
export function waitAfter(failures: number): number {
  const longest = Math.min(FIRST_WAIT * 2 ** Math.min(failures, 20), LONGEST_WAIT)
  return Math.round(longest * (0.5 + Math.random() / 2))
}
