import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * What the current async context may pass to a runtime. The adapters call the runtime's functions, which are
 * guarded. Under a clearance, these accept what was judged and nothing else.
 */
const clearances = new AsyncLocalStorage<{ source: unknown; data: readonly unknown[] }>()

/**
 * @param source what the runtime is called with: a path, bytes, or an IOHandler
 * @param data other buffers that belong to it
 */
export function withClearance<T>(source: unknown, load: () => T, data: readonly unknown[] = []): T {
  return clearances.run({ source: identity(source), data: data.map(identity) }, load)
}

/** Whether this is the very thing that was judged. */
export function isCleared(source: unknown): boolean {
  return source !== undefined && clearances.getStore()?.source === identity(source)
}

/** Whether this is another buffer that was judged together with it. */
export function isClearedData(data: unknown): boolean {
  return clearances.getStore()?.data.includes(identity(data)) === true
}

/** Whether the current async context belongs to a judged load. */
export function underClearance(): boolean {
  return clearances.getStore() !== undefined
}

/** Identifies bytes by their buffer, because runtimes create new views of it. */
function identity(source: unknown): unknown {
  return ArrayBuffer.isView(source) ? source.buffer : source
}
