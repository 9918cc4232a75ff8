import timers from 'node:timers'
import { scheduler } from 'node:timers/promises'
import { promisify } from 'node:util'

// Tests replace the global timers and clocks, including those of node:timers, and a program that loads a model in such a test must not
// wait for ever. Some realms lack `setImmediate`, and timers in jsdom are numbers. So the real timers are saved when the core is
// loaded, even if fakes are in place by then.

export const setTimeout = original(timers, 'setTimeout')
export const setInterval = original(timers, 'setInterval')
export const clearTimeout = original(timers, 'clearTimeout')
export const clearInterval = original(timers, 'clearInterval')

/** The fakes of Sinon.JS, which Jest and vitest use, keep the originals. */
function original<T extends object, K extends string & keyof T>(owner: T, name: K): T[K] {
  const { clock } = owner[name] as { clock?: Record<string, T[K]> }
  return clock?.[`_${name}`] ?? owner[name]
}

/** Milliseconds since 1970, for the times of files. Validity is judged by `new Date()`, which tests may set. */
export const wallClock = original(globalThis, 'Date').now

/** Milliseconds since the process started. Unlike `performance.now()`, it does not make Node.js load a module. */
export function monotonic(): number {
  return process.uptime() * 1_000
}

/** Yields to the event loop for one turn. */
export const turnOfLoop: () => Promise<void> = scheduler.yield.bind(scheduler)

export async function sleep(milliseconds: number): Promise<void> {
  if (promisify.custom in setTimeout) return new Promise((go) => void setTimeout(go, milliseconds))
  // The mocks of node:test are in place, which hide the originals but replace no `scheduler.yield()`.
  for (const end = monotonic() + milliseconds; monotonic() < end;) await turnOfLoop()
}

/** Aborts after a time. It does not keep the process alive. */
export const signalAfter = AbortSignal.timeout.bind(AbortSignal)
