import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * What the present chain of calls may hand to a runtime. The adapters call a runtime's own functions, which
 * are guarded: within a clearance these let pass what was judged, and nothing else.
 */
const clearances = new AsyncLocalStorage<{ source: unknown; data: readonly unknown[] }>()

/**
 * @param source what the runtime is called with: a path, bytes, an IOHandler
 * @param data further buffers that go with it
 */
export function withClearance<T>(source: unknown, load: () => T, data: readonly unknown[] = []): T {
  return clearances.run({ source: identity(source), data: data.map(identity) }, load)
}

/** True for the very thing that was judged. */
export function isCleared(source: unknown): boolean {
  return source !== undefined && clearances.getStore()?.source === identity(source)
}

/** True for a further buffer that was judged together with it. */
export function isClearedData(data: unknown): boolean {
  return clearances.getStore()?.data.includes(identity(data)) === true
}

/** True in whatever follows from a judged load. */
export function underClearance(): boolean {
  return clearances.getStore() !== undefined
}

/** Views on one buffer come and go on the way through a runtime. */
function identity(source: unknown): unknown {
  return ArrayBuffer.isView(source) ? source.buffer : source
}
