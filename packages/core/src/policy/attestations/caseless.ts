import { kindsOfType } from '../../attestation/kinds/named-kinds.ts'
import type { FieldValue } from '../../attestation/kinds/kind.ts'
import type { ConditionText } from './schema.ts'

/** Whether a condition of a requirement is about a field that is compared without regard to case. @param type as in the policy */
export function isCaseless({ field = '' }: ConditionText, type: string): boolean {
  return kindsOfType(type).some(({ caseless }) => caseless?.includes(field))
}

/** The same condition with its values in lower case. */
export function inLowerCase({ equals, oneOf, pattern, ...others }: ConditionText): ConditionText {
  return {
    ...others,
    ...(equals === undefined ? {} : { equals: lowerCase(equals) }),
    ...(oneOf === undefined ? {} : { oneOf: oneOf.map(lowerCase) }),
    ...(pattern === undefined ? {} : { pattern: lowerCase(pattern) }),
  }
}

/** Only the letters of ASCII: no id has others, and other letters that look alike may become equal. */
export function lowerCase<Value extends FieldValue>(value: Value): Value {
  return typeof value === 'string' ? (value.replaceAll(/[A-Z]+/g, (text) => text.toLowerCase()) as Value) : value
}
