import type { z } from 'zod'
import { shown, type ModelSealError } from '../errors.ts'
import { invalidPolicy } from './invalid-policy.ts'
import { clashingFields, fieldHint, hint } from './schema-hints.ts'
import type { PolicyText, ValuePath } from './policy-text.ts'

type Issue = z.core.$ZodIssue

/** Where the issues are from. */
export interface Checked {
  text: PolicyText
  schema: z.core.$ZodType
}

/**
 * Says in readable sentences what the schema found, each at its place.
 *
 * @param above path of the value that the issue's own path begins at
 */
export function* schemaProblems(issue: Issue, above: ValuePath, checked: Checked): Generator<ModelSealError> {
  const { text, schema } = checked
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) {
      const sentence = `${shown(key)} is not a known field${path.length > 0 ? ` of ${field(path)}` : ''}.`
      yield invalidPolicy(text, sentence + fieldHint(key, schema, path), text.position(path, key))
    }
    return
  }
  if (issue.code === 'invalid_union') {
    const together = clashingFields(issue, schema, path)
    const meant = meantBranch(issue.errors)
    if (together !== undefined) yield text.fault(path, together)
    else if (!meant)
      yield text.fault(path, sentence(path, alternatives(issue.errors), issue) + hint(issue, schema, path))
    else for (const inner of meant) yield* schemaProblems(inner, path, checked)
    return
  }
  yield text.fault(path, sentence(path, issue.message, issue) + hint(issue, schema, path))
}

/**
 * What was expected, in the words of the policy's author, where a schema gives no words of its own.
 * (The parameter `error` of zod's `safeParse`.)
 */
export function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${TYPES[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`
    case 'too_small':
      return issue.origin === 'string'
        ? 'expected text that is not empty'
        : `expected at least ${bound(issue.minimum, issue.origin)}`
    case 'too_big':
      return `expected at most ${bound(issue.maximum, issue.origin)}`
    case 'unrecognized_keys':
      return 'expected known fields only'
    case 'invalid_key':
      return 'expected a name of 1 to 200 characters'
    default:
      return undefined
  }
}

const TYPES: Readonly<Partial<Record<string, string>>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'fields with values',
  record: 'fields with values',
}

const UNITS: Readonly<Partial<Record<string, readonly [one: string, many: string]>>> = {
  string: ['character', 'characters'],
  array: ['entry', 'entries'],
}

function bound(limit: number | bigint, origin: string): string {
  const units = UNITS[origin]
  return units ? `${limit} ${units[limit === 1 ? 0 : 1]}` : `${limit}`
}

/** Of a union, the one branch whose field the author wrote: it says what is wrong inside of it. */
function meantBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const inside = branches.filter((issues) => issues.every(({ path, code }) => path.length > 0 || code === 'custom'))
  if (inside.length === 1) return inside[0]
  // An object with one field too many is still that object.
  const close = branches.filter((issues) =>
    issues.every(({ path, code }) => path.length > 0 || code === 'unrecognized_keys'),
  )
  const complete = close.filter(
    (issues) => !issues.some((issue) => issue.code === 'invalid_type' && issue.input === undefined),
  )
  return complete.length === 1 ? complete[0] : inside.length === 0 && branches.length === 1 ? branches[0] : undefined
}

function alternatives(branches: readonly (readonly Issue[])[]): string {
  const expected = branches.map((issues) => {
    const missing = issues.filter(({ path, input }) => path.length === 1 && input === undefined)
    if (missing.length > 0) return missing.map(({ path }) => shown(String(path[0]))).join(' and ')
    const [issue] = issues
    if (issue?.code === 'invalid_union') return alternatives(issue.errors).replace(/^expected /, '')
    return issue?.message.replace(/^expected /, '') ?? ''
  })
  return `expected ${[...new Set(expected)].filter(Boolean).join(', or ')}`
}

function sentence(path: ValuePath, expected: string, { code, input }: Issue): string {
  const where = path.length > 0 ? `${field(path)}: ` : ''
  if (path.length === 0 && input === null) return 'It is empty.'
  const found = foundText(input) ?? (SHAPED.has(code) ? shapeOf(input, code) : undefined)
  return `${where}${expected}${found === undefined ? '' : `; ${found}`}.`
}

/** Problems of a value itself, rather than of what is in it. */
const SHAPED: ReadonlySet<string> = new Set(['invalid_type', 'invalid_value', 'invalid_union'])

function foundText(input: unknown): string | undefined {
  if (typeof input === 'string') return `found ${shown(input)}`
  return typeof input === 'number' || typeof input === 'boolean' ? `found ${input}` : undefined
}

function shapeOf(input: unknown, code: string): string | undefined {
  if (input === undefined) return 'it is missing'
  if (input === null) return 'found nothing'
  if (Array.isArray(input)) return 'found a list'
  // Of alternatives, the hint says which field is none.
  return code === 'invalid_union' ? undefined : 'found fields with values'
}

/** A place, for messages. */
export function field(path: ValuePath): string {
  return shown(path.map(String).join('.'))
}
