import type { FieldValue } from '../../attestation/kinds/kind.ts'
import type { NamedKind } from '../../attestation/kinds/named-kinds.ts'
import { shown } from '../../errors.ts'
import type { ConditionText } from '../attestations/schema.ts'
import { wildcardIn } from './literal-wildcard.ts'

/** What is wrong with a condition: as a clause if nothing can meet it, otherwise as a sentence. */
interface ConditionFault {
  code: 'REQUIREMENT_UNMEETABLE' | 'CONDITION_MISSPELT' | 'WILDCARD_EXACT'
  what: string
}

/**
 * Finds values in a condition that no attestation has.
 *
 * @param kind undefined for a type whose fields are not known
 */
export function conditionFaults(condition: ConditionText, kind: NamedKind | undefined): ConditionFault[] {
  const limit = limitFault(condition, kind)
  if (limit !== undefined) return [{ code: 'REQUIREMENT_UNMEETABLE', what: limit }]
  const { equals, oneOf = [] } = condition
  const listed = equals === undefined ? oneOf : [equals, ...oneOf]
  const impossible = listed.flatMap(
    (value) => typeFault(value, condition, kind) ?? valueFault(value, condition, kind) ?? [],
  )
  const [first] = impossible
  // With both, one value has to meet both.
  if (first !== undefined && (equals !== undefined || impossible.length === listed.length))
    return [{ code: 'REQUIREMENT_UNMEETABLE', what: first }]
  return [
    ...impossible.map((why) => misspelt(`A value of the condition can never be found: ${why}.`)),
    ...listed.flatMap((value) => doubtfulFaults(value, condition, kind)),
  ]
}

const misspelt = (what: string): ConditionFault => ({ code: 'CONDITION_MISSPELT', what })

function limitFault({ field, atLeast, atMost }: ConditionText, kind: NamedKind | undefined): string | undefined {
  if (!kind || field === undefined || (atLeast === undefined && atMost === undefined)) return undefined
  return `the field ${shown(field)} is text, and "${atLeast === undefined ? 'atMost' : 'atLeast'}" compares numbers`
}

function typeFault(
  value: FieldValue,
  { field, metric }: ConditionText,
  kind: NamedKind | undefined,
): string | undefined {
  if (metric !== undefined) {
    if (typeof value === 'number') return undefined
    const fix =
      typeof value === 'string' && Number.isFinite(Number(value)) ? `; write ${Number(value)} without quotes` : ''
    return `metrics are numbers, which never equal ${typeof value === 'string' ? `the text ${shown(value)}` : value}${fix}`
  }
  if (!kind || typeof value === 'string') return undefined
  return `the field ${shown(field ?? '')} is text, which never equals ${typeof value === 'number' ? `the number ${value}` : value}; write it in quotes: "${value}"`
}

const DIGEST = /^sha256:[0-9a-f]{64}$/
const LIKE_DIGEST = /^(?:sha-?256[:=-]?)?([0-9a-f]{64})$/i

function valueFault(value: FieldValue, { field = '' }: ConditionText, kind: NamedKind | undefined): string | undefined {
  if (!kind || typeof value !== 'string') return undefined
  const { values = {}, digests } = kind
  const possible = Object.hasOwn(values, field) ? values[field] : undefined
  if (possible && !possible.includes(value))
    return `no ${field} of ${kind.what} is ${shown(value)}; write one of ${possible.join(', ')}`
  if (digests?.only.includes(field) !== true || DIGEST.test(value)) return undefined
  return `the field ${shown(field)} has only digests, and ${shown(value)} is none; write ${digestOf(value) ?? 'sha256: and 64 lowercase hex digits'}`
}

/** Values that may be found, but are probably not what was meant. */
function doubtfulFaults(
  value: FieldValue,
  { field = '' }: ConditionText,
  kind: NamedKind | undefined,
): ConditionFault[] {
  if (typeof value !== 'string') return []
  const digest = kind?.digests?.among.includes(field) === true && !DIGEST.test(value) ? digestOf(value) : undefined
  if (digest !== undefined)
    return [
      misspelt(
        `The field ${shown(field)} has its digests as sha256:HEX, so that ${shown(value)} is a name. Write ${digest}.`,
      ),
    ]
  const wildcard = wildcardIn(value)
  if (wildcard === undefined) return []
  const what = `The value ${shown(value)} of the condition is compared exactly, with its ${wildcard}. If it is meant as a wildcard, write "pattern" in place of "equals" or "oneOf".`
  return [{ code: 'WILDCARD_EXACT', what }]
}

/** The digest that a text means, as it is written in conditions. */
function digestOf(text: string): string | undefined {
  const [, hex] = LIKE_DIGEST.exec(text) ?? []
  return hex === undefined ? undefined : `sha256:${hex.toLowerCase()}`
}
