import type { ModelSource } from './model-source.ts'

const OWN = new WeakSet<ModelSource>()

/**
 * Marks a source of the core, which enforces its own timeouts and returns well-formed answers. It is frozen, so that
 * other code cannot replace its methods.
 */
export function ownSource(given: ModelSource): ModelSource {
  const source: ModelSource = { place: Object.freeze(given.place), open: (load) => given.open(load) }
  Object.freeze(source)
  OWN.add(source)
  return source
}

export function isOwnSource(source: ModelSource): boolean {
  return OWN.has(source)
}
