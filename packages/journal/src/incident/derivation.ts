import type { Statements } from '../index/statements.ts'
import { madeFrom } from './matching.ts'

/** Nobody reads more, and a chain of models this long does not exist. */
const MOST_DERIVED = 10_000

/** Who states that a model was made from others. */
export interface Derivation {
  from: Set<string>
  proof: 'recorded' | 'claimed'
}

/** The models that claims say were made from a model, by its root digest. */
export type Claims = ReadonlyMap<string, ReadonlySet<string>>

/**
 * All models that were made from these, and from those, and so on. Each is followed once, so circles end.
 *
 * @param indexes of all journals: one may have the load of a model, and another that of what was made from it
 */
export function derivedFrom(
  roots: Iterable<string>,
  indexes: readonly Statements[],
  claims: Claims,
): { derived: Map<string, Derivation>; isCut: boolean } {
  const affected = new Set(roots)
  const derived = new Map<string, Derivation>()
  const queue = [...affected]
  // Those that are added meanwhile follow.
  for (const root of queue) {
    const recorded = new Set(indexes.flatMap((statements) => madeFrom(statements, root)))
    for (const [made, proof] of [
      ...[...recorded].map((one) => [one, 'recorded'] as const),
      ...[...(claims.get(root) ?? [])].map((one) => [one, 'claimed'] as const),
    ]) {
      if (affected.has(made)) continue
      const known = derived.get(made)
      if (known) {
        known.from.add(root)
        if (proof === 'recorded') known.proof = proof
        continue
      }
      if (derived.size === MOST_DERIVED) return { derived, isCut: true }
      derived.set(made, { from: new Set([root]), proof })
      queue.push(made)
    }
  }
  return { derived, isCut: false }
}
