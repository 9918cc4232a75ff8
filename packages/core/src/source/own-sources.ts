import type { ModelSource } from './model-source.ts'

const OWN = new WeakSet<ModelSource>()

/**
 * Marks a source of the core, which watches over its time itself and answers in the form that is asked for. It is frozen, so that
 * nobody who gets hold of it can answer in its place.
 */
export function ownSource({ place, open }: ModelSource): ModelSource {
  const source = Object.freeze({ place: Object.freeze(place), open })
  OWN.add(source)
  return source
}

export function isOwnSource(source: ModelSource): boolean {
  return OWN.has(source)
}
