import { compareDecimals, decimalOfNumber } from '../../attestation/decimal.ts'
import type { AttestationKind, FieldValue, Measurement } from '../../attestation/kinds/kind.ts'
import type { AttestationStatement } from '../../attestation/statement.ts'
import { shown } from '../../errors.ts'
import { compileGlob } from '../matching/glob.ts'
import { inLowerCase, lowerCase } from './caseless.ts'
import type { ConditionText } from './schema.ts'

/** What an attestation says, once its signature is verified. */
export interface ReadAttestation {
  statement: AttestationStatement
  /** Undefined for a type that is not known. */
  kind: AttestationKind | undefined
  /** Undefined for a type that is not known. */
  predicate: unknown
}

/** A condition of a rule. */
export interface Condition {
  /** Undefined for a condition about a metric. */
  field: string | undefined
  /** For messages. */
  written: string
  /** Undefined if the attestation meets it; otherwise what was found. */
  unmet(attestation: ReadAttestation): string | undefined
}

/** More than any real attestation has. Comparing them takes far less than a millisecond. */
const MOST_VALUES = 1_000
/** A longer list of values would bury what matters in the message. */
const MOST_SHOWN = 5

/**
 * Compiles a condition. It concerns one or several values, of which there must be at least one, and all of them must meet it: an
 * attestation that says two things is not read in favour of the model.
 *
 * @param isCaseless whether text is compared without regard to case
 */
export function compileCondition(text: ConditionText, isCaseless = false): Condition {
  const comparison = compileComparison(isCaseless ? inLowerCase(text) : text)
  const holds = (value: FieldValue) => comparison.holds(isCaseless ? lowerCase(value) : value)
  return {
    field: text.field,
    written: written(text),
    unmet(attestation) {
      const { statement } = attestation
      const values = valuesOf(text, attestation)
      if (values.length === 0) return nothing(text, attestation)
      if (values.length > MOST_VALUES) return `more than ${MOST_VALUES} values`
      const inexact = comparison.isNumeric ? statement.inexactNumber : undefined
      if (inexact !== undefined) return `the number ${inexact}, which has too many digits to be compared`
      if (values.every((value) => value !== undefined && holds(value))) return undefined
      return listed(values.map((value) => (value === undefined ? 'nothing' : scalarWords(value))))
    },
  }
}

function listed(words: readonly string[], separator = ', '): string {
  const more = words.length - MOST_SHOWN
  return `${words.slice(0, MOST_SHOWN).join(separator)}${more > 0 ? ` and ${more} more` : ''}`
}

/** What there is in place of the value that a condition concerns. */
function nothing({ metric }: ConditionText, { kind, predicate }: ReadAttestation): string {
  if (metric === undefined) return 'no such value'
  const measured = kind?.measurements?.(predicate) ?? []
  const places = measured.flatMap((one) => (one.metric === metric ? [placeOf(one)] : []))
  if (places.length > 0) return `no such value, but values ${listed([...new Set(places)], '; ')}`
  const names = [...new Set(measured.map((one) => shown(one.metric)))]
  return names.length === 0 ? 'no metrics' : `no such metric, but ${listed(names)}`
}

function placeOf({ dataset, slice, unit }: Measurement): string {
  const digest = dataset?.sha256 === undefined ? undefined : `sha256:${dataset.sha256}`
  const named = digest ?? (dataset?.name === undefined ? undefined : shown(dataset.name))
  const words = placeWords({ dataset: named, slice, unit }).trim()
  return words === '' ? 'without dataset, slice and unit' : words
}

interface Place {
  dataset?: string | undefined
  slice?: string | undefined
  unit?: string | undefined
}

/** Which of the values of a metric is meant. */
function placeWords({ dataset, slice, unit }: Place): string {
  return [
    dataset === undefined ? '' : ` with the dataset ${dataset}`,
    slice === undefined ? '' : ` for the slice ${shown(slice)}`,
    unit === undefined ? '' : ` in ${shown(unit)}`,
  ].join('')
}

export function compileComparison({ equals, oneOf, atLeast, atMost, pattern }: ConditionText) {
  const checks: ((value: FieldValue) => boolean)[] = []
  // Text never equals a number, even if it looks like one. Two doubles are equal if their shortest notations are the same decimal.
  if (equals !== undefined) checks.push((value) => value === equals)
  if (oneOf !== undefined) checks.push((value) => oneOf.includes(value))
  if (atLeast !== undefined) checks.push(compared(atLeast, (order) => order >= 0))
  if (atMost !== undefined) checks.push(compared(atMost, (order) => order <= 0))
  if (pattern !== undefined) {
    const { matches } = compileGlob(pattern)
    checks.push((value) => typeof value === 'string' && matches(value))
  }
  const isNumeric =
    atLeast !== undefined ||
    atMost !== undefined ||
    [equals, ...(oneOf ?? [])].some((value) => typeof value === 'number')
  return { isNumeric, holds: (value: FieldValue) => checks.every((check) => check(value)) }
}

function compared(limit: number, isRight: (order: number) => boolean): (value: FieldValue) => boolean {
  const wanted = decimalOfNumber(limit)
  return (value) => {
    const found = typeof value === 'number' ? decimalOfNumber(value) : undefined
    return found !== undefined && wanted !== undefined && isRight(compareDecimals(found, wanted))
  }
}

/** Undefined stands for a value that is missing among others. */
type FoundValue = FieldValue | undefined

function valuesOf(text: ConditionText, { kind, predicate, statement }: ReadAttestation): readonly FoundValue[] {
  if (text.metric !== undefined) {
    const measured = kind?.measurements?.(predicate) ?? []
    return measured.filter((one) => concerns(text, one)).map(({ value }) => value)
  }
  const field = text.field ?? ''
  if (!kind) return valuesAt(statement.predicate, field.split('.'))
  return Object.hasOwn(kind.fields, field) ? (kind.fields[field]?.(predicate) ?? []) : []
}

/** A value in another unit, or of a part of the dataset, is another measurement. */
function concerns({ metric, dataset, slice, unit }: ConditionText, found: Measurement): boolean {
  return (
    found.metric === metric &&
    (dataset === undefined || `sha256:${found.dataset?.sha256 ?? ''}` === dataset) &&
    found.slice === slice &&
    found.unit === unit
  )
}

/**
 * The values at a path in a predicate whose type is not known: names of fields, separated by dots. In a list, each item counts: one that
 * lacks the field, or has an object there, has a value that meets nothing.
 */
function valuesAt(value: unknown, path: readonly string[]): FoundValue[] {
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown) => {
      const found = valuesAt(item, path)
      return found.length > 0 ? found : [undefined]
    })
  }
  const [name, ...rest] = path
  if (name === undefined)
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [value] : []
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return []
  return valuesAt((value as Record<string, unknown>)[name], rest)
}

function written({ field, metric, dataset, slice, unit, ...comparison }: ConditionText): string {
  const about = field === undefined ? `the metric ${shown(metric ?? '')}` : `the field ${shown(field)}`
  const where = placeWords({ dataset, slice, unit })
  // Only the comparisons that were written are there.
  const wanted = Object.entries(comparison).map(
    ([name, value]) => `${WORDS[name as keyof typeof WORDS]}${name === 'exists' ? '' : ` ${valueText(value)}`}`,
  )
  return `${about}${where} ${wanted.join(' and ')}`
}

const WORDS = {
  equals: 'equal to',
  oneOf: 'among',
  atLeast: 'of at least',
  atMost: 'of at most',
  pattern: 'that matches',
  exists: 'with a value',
} as const

function valueText(value: FieldValue | readonly FieldValue[]): string {
  return [value].flat().map(scalarWords).join(' or ')
}

/** Only text is quoted. */
function scalarWords(value: FieldValue): string {
  return typeof value === 'string' ? shown(value) : String(value)
}
