import { shown } from '../../errors.ts'
import { contradictions } from '../attestations/contradictions.ts'
import { demandWords, type AttestationDemand } from '../attestations/demand.ts'
import type { AttestationText, ConditionText } from '../attestations/schema.ts'
import { methodOf } from '../methods/methods.ts'
import type { CompiledPolicy } from '../policy.ts'
import type { ValuePath } from '../reading/policy-text.ts'
import type { Rule } from '../rule.ts'
import { conditionFaults } from './condition-faults.ts'
import type { Danger } from './finding.ts'

/** A danger, and its place below `require.attestations`. */
interface PlacedDanger {
  at: ValuePath
  danger: Danger
}

/**
 * Finds requirements of attestations that no model can satisfy, and signers of them that accept nearly anybody.
 *
 * @param written the attestations that the rule requires, as in the policy
 */
export function attestationDangers(
  rule: Rule,
  written: readonly AttestationText[],
  policy: CompiledPolicy,
): PlacedDanger[] {
  return rule.attestations.flatMap((demand, index) => {
    const text = written[index]
    if (!text) return []
    return [
      ...conditionDangers(rule, demand, text.where ?? [], index),
      ...signerDangers(rule, demand, { text, index, policy }),
    ]
  })
}

function conditionDangers(
  rule: Rule,
  demand: AttestationDemand,
  where: readonly ConditionText[],
  index: number,
): PlacedDanger[] {
  const contradictory = contradictions(where, demand.type)
  return where.flatMap((condition, position) => {
    const at = [index, 'where', position]
    const faults = conditionFaults(condition, demand.kind).map(({ code, what }): PlacedDanger =>
      code === 'REQUIREMENT_UNMEETABLE'
        ? unmeetable(at, rule, demand, what)
        : { at, danger: { severity: 'warning', code, message: what } },
    )
    if (!contradictory.includes(position) || faults.some(({ danger }) => danger.severity === 'error')) return faults
    const why = `nothing can meet this condition and those before it: ${demand.conditions[position]?.written}`
    return [...faults, unmeetable(at, rule, demand, why)]
  })
}

function signerDangers(
  rule: Rule,
  demand: AttestationDemand,
  { text, index, policy }: { text: AttestationText; index: number; policy: CompiledPolicy },
): PlacedDanger[] {
  const { signers, threshold } = demand
  if (threshold > signers.length) {
    const why = `${threshold} signers have to make it, and the rule names ${signers.length}`
    return [unmeetable([index, 'threshold'], rule, demand, why)]
  }
  const broad = (text.signers ?? []).flatMap((_, position) => {
    const signer = signers[position]
    if (!signer) return []
    const at = [index, 'signers', position]
    return methodOf(signer.method)
      .dangers(signer)
      .map((danger) => ({ at, danger }))
  })
  const left = signers.filter((signer) => !methodOf(signer.method).isRevoked(signer, policy)).length
  if (left >= threshold) return broad
  const message = `The rule ${shown(rule.name)} accepts nothing: it requires ${demandWords(demand)} by ${threshold === 1 ? 'a signer' : `${threshold} signers`}, and the policy revokes ${left === 0 ? 'all' : signers.length - left} of the ${signers.length} that it names. Name a signer that is not revoked, or remove the requirement.`
  return [...broad, { at: [index], danger: { severity: 'warning', code: 'SIGNERS_REVOKED', message } }]
}

function unmeetable(at: ValuePath, { name }: Rule, demand: AttestationDemand, why: string): PlacedDanger {
  const message = `The rule ${shown(name)} cannot accept anything: it requires ${demandWords(demand)}, but ${why}.`
  return { at, danger: { severity: 'error', code: 'REQUIREMENT_UNMEETABLE', message } }
}
