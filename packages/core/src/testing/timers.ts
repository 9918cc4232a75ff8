import { AsyncLocalStorage, createHook } from 'node:async_hooks'

/**
 * Runs a test that counts the timers that were begun in it, have not ended yet and keep the process alive. Those of Vitest, which come
 * and go at any time, are none of them.
 */
export async function withTimerCount(test: (timers: () => number) => Promise<void>): Promise<void> {
  const own = new AsyncLocalStorage<true>()
  const alive = new Map<number, NodeJS.Timeout>()
  const ended = (id: number) => void alive.delete(id)
  const hook = createHook({
    init: (id, type, _, resource) => {
      if (type === 'Timeout' && own.getStore()) alive.set(id, resource as NodeJS.Timeout)
    },
    after: ended,
    destroy: ended,
  })
  hook.enable()
  try {
    // One that is cleared has no reference any more, even before its end is told.
    await own.run(true, () => test(() => [...alive.values()].filter((timer) => timer.hasRef()).length))
  } finally {
    hook.disable()
  }
}
