import type { Measurement } from '../../attestation/kinds/kind.ts'
import { kindNamed } from '../../attestation/kinds/kinds.ts'
import type { Belief, WeighedAttestation } from './weighed-attestation.ts'

/** Different values of one measurement in attestations that name the same signer. */
export interface Contradiction extends Omit<Measurement, 'value'> {
  /** The description of the signer. */
  signer: string
  /** Each value with the attestation that states it. */
  values: readonly { value: number | string; path: string; belief: Belief }[]
}

/** A page would not show more. */
const MAX_CONTRADICTIONS = 100
const MAX_VALUES = 20

/**
 * Finds measurements of the model that differ although they are of the same metric, dataset, slice and unit, and name the same signer.
 * If the values are only claimed, that signer may have written none of them.
 */
export function findContradictions(attestations: readonly WeighedAttestation[]): Contradiction[] {
  const found = new Map<
    string,
    Contradiction & { values: { value: number | string; path: string; belief: Belief }[] }
  >()
  for (const one of attestations) {
    const { path, belief, isAbout, verifiedSigner, signer: claimed } = one
    const signer = verifiedSigner?.description ?? claimed?.description
    if (isAbout === false || signer === undefined) continue
    for (const { value, ...measured } of measurementsOf(one)) {
      const { metric, unit, slice, dataset } = measured
      const key = JSON.stringify([signer, metric, unit, slice, dataset?.sha256 ?? dataset?.name, !dataset?.sha256])
      const known = found.get(key) ?? { ...measured, signer, values: [] }
      found.set(key, known)
      if (
        !known.values.some((other) => other.value === value && other.belief === belief) &&
        known.values.length < MAX_VALUES
      )
        known.values.push({ value, path, belief })
    }
  }
  return [...found.values()]
    .filter(({ values }) => values.some(({ value }) => value !== values[0]?.value))
    .slice(0, MAX_CONTRADICTIONS)
}

function measurementsOf({ kind, content, error }: WeighedAttestation): readonly Measurement[] {
  if (kind === undefined || content === undefined || error) return []
  return kindNamed(kind)?.measurements?.(content) ?? []
}
