import { compareDecimals, decimalOfNumber } from '../../attestation/decimal.ts'
import { inLowerCase, isCaseless } from './caseless.ts'
import { compileComparison } from './condition.ts'
import type { ConditionText } from './schema.ts'

/**
 * The positions of conditions that no attestation can meet, alone or together with an earlier one about the same values.
 *
 * @param type of the attestation, as in the policy
 */
export function contradictions(where: readonly ConditionText[], type: string): number[] {
  const earlier = new Map<string, ConditionText[]>()
  return where.flatMap((condition, index) => {
    const { field, metric, dataset, slice, unit } = condition
    const about = JSON.stringify([field, metric, dataset, slice, unit])
    const comparable = isCaseless(condition, type) ? inLowerCase(condition) : condition
    const together = [...(earlier.get(about) ?? []), comparable]
    if (!canBeMet(together)) return [index]
    earlier.set(about, together)
    return []
  })
}

/** Whether there is a value that meets all of these. */
function canBeMet(conditions: readonly ConditionText[]): boolean {
  const listed = conditions.map(({ equals, oneOf }) => (equals === undefined ? oneOf : [equals])).find(Boolean)
  const isOfMetric = conditions.some(({ metric }) => metric !== undefined)
  const values = isOfMetric ? listed?.filter((value) => typeof value === 'number') : listed
  const all = conditions.map(compileComparison)
  if (values) return values.some((value) => all.every(({ holds }) => holds(value)))
  const limits = (name: 'atLeast' | 'atMost') => conditions.flatMap(({ [name]: limit }) => decimals(limit))
  const [lower, upper] = [limits('atLeast'), limits('atMost')]
  // A pattern is for text.
  if (lower.length + upper.length > 0 && conditions.some(({ pattern }) => pattern !== undefined)) return false
  return lower.every((least) => upper.every((most) => compareDecimals(least, most) <= 0))
}

function decimals(limit: number | undefined) {
  const decimal = limit === undefined ? undefined : decimalOfNumber(limit)
  return decimal ? [decimal] : []
}
