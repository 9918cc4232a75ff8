import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * What the present chain of calls may hand to a runtime. The adapters call a runtime's own functions, which
 * are guarded: within a clearance these let pass what was judged, and nothing else.
 */
const clearances = new AsyncLocalStorage<unknown>()

/** @param source what the runtime is called with: a path, bytes, an IOHandler */
export function withClearance<T>(source: unknown, load: () => T): T {
  return clearances.run(identity(source), load)
}

/** True for the very thing that was judged. */
export function isCleared(source: unknown): boolean {
  return source !== undefined && clearances.getStore() === identity(source)
}

/** True in whatever follows from a judged load. */
export function underClearance(): boolean {
  return clearances.getStore() !== undefined
}

/** Views on one buffer come and go on the way through a runtime. */
function identity(source: unknown): unknown {
  return ArrayBuffer.isView(source) ? source.buffer : source
}
