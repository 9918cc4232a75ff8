import timers from 'node:timers'

// Tests replace the global timers and clocks, and those of node:timers as well, and a test of a program that loads a model should not
// have to wait for ever. Some realms lack `setImmediate`, and those of jsdom have timers that are numbers. So these are taken once, when
// the core is loaded.

export const { setImmediate, setTimeout, setInterval, clearTimeout, clearInterval } = timers

/** Milliseconds since 1970, for the times of files. Validity is judged by `new Date()`, which tests may set. */
export const wallClock = Date.now

/** Milliseconds since the process began. Unlike `performance.now()`, it makes Node.js load nothing. */
export function monotonic(): number {
  return process.uptime() * 1_000
}

/** Leaves the thread to others for a turn of the event loop. */
export function turnOfLoop(): Promise<void> {
  return new Promise((go) => {
    setImmediate(go)
  })
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((go) => {
    setTimeout(go, milliseconds)
  })
}

/** Aborts after a time. It does not keep the process alive. */
export const signalAfter = AbortSignal.timeout.bind(AbortSignal)
