import { shown } from '../../errors.ts'
import type { CompiledPolicy } from '../policy.ts'
import type { Rule } from '../rule.ts'
import type { Danger } from './finding.ts'

/** Errors for what a rule requires that too few of its signers can ever have, so that it accepts nothing. */
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
      message: `The rule ${shown(rule.name)} can accept nothing, for what it requires of ${explain}.`,
    }))
}

/** What else is dangerous in what a rule requires, by the field under `require`. */
export function demandDangers({ demands }: Rule): { field: string; danger: Danger }[] {
  return demands.flatMap(({ requirement, wanted }) => requirement.dangers?.(wanted) ?? [])
}
