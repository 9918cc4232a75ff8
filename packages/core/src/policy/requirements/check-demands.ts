import { ModelSealError, shown } from '../../errors.ts'
import type { CheckName } from '../../results.ts'
import type { Demand, Evidence, Unmet } from './requirement.ts'

/** The outcome of one requirement for one signature. */
interface CheckedDemand {
  check: CheckName
  /** A sentence. */
  passed: string
  failure: ModelSealError | undefined
}

/**
 * Checks the requirements of a rule, in turn, for a valid signature by an accepted signer.
 *
 * @param file path of the bundle
 */
export async function* checkDemands(
  demands: readonly Demand[],
  evidence: Evidence,
  file: string,
): AsyncGenerator<CheckedDemand> {
  for (const { requirement, wanted } of demands) {
    const outcome = await requirement.check(wanted, evidence)
    if (outcome === undefined) continue
    const { passed, failure } = outcome
    yield { check: requirement.step, passed, failure: failure && refusal(failure, evidence, file) }
  }
}

function refusal({ code, message, ...details }: Unmet, { signature, rule }: Evidence, file: string): ModelSealError {
  const { expected, found, hint = `The rule ${shown(rule)} requires it.` } = details
  return new ModelSealError(code, message, { file, signer: signature.signer.name, expected, found, hint })
}
