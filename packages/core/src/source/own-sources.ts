import type { ModelSource } from './model-source.ts'

const OWN = new WeakSet<ModelSource>()

/**
 * Marks a source of the core, which watches over its time itself and answers in the form that is asked for. It is frozen, so that
 * nobody who gets hold of it can answer in its place.
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
