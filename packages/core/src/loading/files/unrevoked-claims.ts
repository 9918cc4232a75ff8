import type { Revocations } from '../../policy/revocations/revocations.ts'
import type { FoundModel } from '../bundles/find-bundles.ts'
import type { Judging } from '../judging/judging.ts'
import type { Load } from '../load.ts'
import { refuseRevokedClaims } from './revoked-claims.ts'

/** What is known about a model that is loaded unverified. */
export interface UnrevokedClaims {
  found: FoundModel | undefined
  revocations: Revocations[]
  /** Paths that the rules allow to be unsigned; undefined if none. */
  mayBeUnsigned: ((name: string) => boolean) | undefined
}

/**
 * Finds the bundles of a model that is loaded unverified, and checks their claims against the revocations of the
 * policies that allow it.
 *
 * @throws {@link ModelSealError} like {@link refuseRevokedClaims}, and what finding bundles throws
 */
export async function unrevokedClaims(
  judgings: readonly Judging[],
  { options: { signal }, responsibility }: Load,
): Promise<UnrevokedClaims> {
  let first: FoundModel | undefined
  const all: Revocations[] = []
  for (const judging of judgings) {
    await responsibility.of([judging], async () => {
      const found = await judging.findIfAny()
      const revocations = judging.revocations
      await refuseRevokedClaims(found, revocations, signal)
      first ??= found
      all.push(revocations)
    })
  }
  const unsigned = judgings.flatMap(({ mayBeUnsigned }) => mayBeUnsigned ?? [])
  const mayBeUnsigned = unsigned.length > 0 ? (name: string) => unsigned.some((matches) => matches(name)) : undefined
  return { found: first, revocations: all, mayBeUnsigned }
}
