/** How long a load waits for a feed that it cannot do without, in milliseconds. */
export const LONGEST_WAIT = 10_000
/** How long the command line waits for a feed that it could do without. */
export const WAIT_FOR_NEWER = 3_000
/** After a failure, loads do not wait again for so long, in milliseconds. */
export const REST = 5_000
/** Other processes may replace the kept copy this often while this one replaces it. */
export const MOST_TRIES = 5
