import { shown } from '../../errors.ts'
import type { CompiledPolicy } from '../policy.ts'
import type { Rule } from '../rule.ts'
import type { Danger } from './finding.ts'

/** Errors for requirements that too few of the rule's signers can ever meet, so that the rule accepts nothing. */
export function unmeetableDemands(rule: Rule, policy: CompiledPolicy): Danger[] {
  if (rule.mode === 'skip') return []
  return rule.demands
    .filter(({ requirement, wanted }) => {
      const able = rule.signers.filter((signer) => requirement.canMeet(wanted, signer, { rule, policy }))
      return able.length < rule.threshold
    })
    .map(({ requirement: { explain } }) => ({
      severity: 'error',
      code: 'REQUIREMENT_UNMEETABLE',
      message: `The rule ${shown(rule.name)} cannot accept anything: ${explain}.`,
    }))
}

/** Other risky requirements of a rule, with their fields under `require`. */
export function demandDangers({ demands }: Rule): { field: string; danger: Danger }[] {
  return demands.flatMap(({ requirement, wanted }) => requirement.dangers?.(wanted) ?? [])
}
