import type { Revocations } from '../../policy/revocations/revocations.ts'
import type { FoundModel } from '../bundles/find-bundles.ts'
import type { FoundHttpModel } from './http-model.ts'
import type { Judging } from '../judging/judging.ts'
import type { OpenOptions } from '../open-options.ts'
import { refuseRevokedClaims } from './open-unverified.ts'
import type { Responsibility } from '../judging/responsibility.ts'

/**
 * The bundles of a model that is loaded unverified, and the revocations of the policies that allow it, after the claims of the
 * bundles were looked up in these revocations.
 *
 * @throws {@link ModelSealError} as {@link refuseRevokedClaims}, and what finding bundles throws
 */
export async function unrevokedClaims(
  judgings: readonly Judging[],
  { options: { signal }, responsibility }: { options: OpenOptions; responsibility: Responsibility },
): Promise<{ found: FoundModel | FoundHttpModel | undefined; revocations: Revocations[] }> {
  let first: FoundModel | FoundHttpModel | undefined
  const all: Revocations[] = []
  for (const judging of judgings) {
    await responsibility.of([judging], async () => {
      const found = await judging.findIfAny()
      const revocations = await judging.revocations()
      await refuseRevokedClaims(found?.bundles, revocations, signal)
      first ??= found
      all.push(revocations)
    })
  }
  return { found: first, revocations: all }
}
