import type { Issue } from '../../schema/issue.ts'
import type { Schema } from '../../schema/schema.ts'
import { shown, type ModelSealError } from '../../errors.ts'
import { invalidPolicy, type TextFile } from '../reading/invalid-policy.ts'
import { fieldsAt } from './known-fields.ts'
import { nearest } from '../../nearest.ts'
import { MAX_PROBLEMS } from '../../yaml/read-yaml.ts'
import { clashingFields, fieldHint, hint } from './hints.ts'
import type { PolicyText, ValuePath } from '../reading/policy-text.ts'

/** The text that was checked, and its schema. */
interface Checked {
  text: PolicyText
  schema: Schema<unknown>
}

/** One issue that the schema found, and the path of the value. */
interface Finding {
  issue: Issue
  path: ValuePath
}

/**
 * Describes the schema's issues in readable sentences, each with its position: at most {@link MAX_PROBLEMS}. Misspelt fields come
 * first, because a load reports only the first problem; issues that they cause are left out.
 */
export function schemaProblems(issues: readonly Issue[], checked: Checked): ModelSealError[] {
  const found = issues.flatMap((issue) => [...meantFindings(issue, [], checked.schema)])
  const isMisspelt = ({ issue, path }: Finding) =>
    issue.code === 'unrecognized_keys' || hint(issue, checked.schema, path).startsWith(' It has ')
  const [misspelt, others] = [found.filter(isMisspelt), found.filter((one) => !isMisspelt(one))]
  const caused = consequences(misspelt, checked.schema)
  return [...misspelt, ...others.filter((one) => !caused.has(placeOf(one)))]
    .slice(0, MAX_PROBLEMS)
    .flatMap((one) => problemsOf(one, checked))
    .slice(0, MAX_PROBLEMS)
}

/** For a union, the issues in the alternative that the author meant. */
function* meantFindings(issue: Issue, above: ValuePath, schema: Checked['schema']): Generator<Finding> {
  const path = [...above, ...issue.path]
  const meant =
    issue.code === 'invalid_union' && clashingFields(issue, schema, path) === undefined
      ? meantBranch(issue.errors)
      : undefined
  if (!meant) yield { issue, path }
  else for (const inner of meant) yield* meantFindings(inner, path, schema)
}

/** Fields that are missing because they are misspelt: the field itself, or one of several in the same object. */
function consequences(misspelt: readonly Finding[], schema: Checked['schema']): ReadonlySet<string> {
  const places = new Set<string>()
  for (const { issue, path } of misspelt) {
    if (issue.code !== 'unrecognized_keys') continue
    const known = fieldsAt(schema, path)
    for (const key of issue.keys.slice(0, MAX_PROBLEMS)) {
      const meant = nearest(key, known)
      if (meant === undefined) continue
      places.add(`missing ${JSON.stringify([...path, meant].map(String))}`)
      places.add(`custom ${JSON.stringify(path.map(String))}`)
    }
  }
  return places
}

function placeOf({ issue, path }: Finding): string {
  const kind = issue.code === 'custom' ? 'custom' : issue.input === undefined ? 'missing' : issue.code
  return `${kind} ${JSON.stringify(path.map(String))}`
}

function problemsOf({ issue, path }: Finding, { text, schema }: Checked): ModelSealError[] {
  const together = clashingFields(issue, schema, path)
  if (together !== undefined) return [text.fault(path, together)]
  if (issue.code === 'unrecognized_keys') {
    const present = Object.keys(issue.input as object)
    return issue.keys.slice(0, MAX_PROBLEMS).map((key) => {
      const sentence = `${shown(key)} is not a known field${path.length > 0 ? ` of ${field(path, text)}` : ''}.`
      return invalidPolicy(text, sentence + fieldHint(key, schema, { path, present }), text.position(path, key))
    })
  }
  const anchor = issue.input === null ? text.anchorAt(path) : undefined
  if (anchor !== undefined) {
    const fix = `A value that begins with & must be in quotes: ${shown(`&${anchor}`)}.`
    return [text.fault(path, `${field(path, text)}: ${fix}`)]
  }
  const expected = issue.code === 'invalid_union' ? alternatives(issue.errors) : issue.message
  return [text.fault(path, sentence({ issue, path }, expected, text) + hint(issue, schema, path))]
}

/** The one branch of a union whose field the author wrote. */
function meantBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const inside = branches.filter((issues) => issues.every(({ path, code }) => path.length > 0 || code === 'custom'))
  if (inside.length === 1) return inside[0]
  // An object with an extra field is still of that kind.
  const close = branches.filter((issues) =>
    issues.every(({ path, code }) => path.length > 0 || code === 'unrecognized_keys'),
  )
  const complete = close.filter((issues) => issues.every(({ input }) => input !== undefined))
  return complete.length === 1 ? complete[0] : undefined
}

function alternatives(branches: readonly (readonly Issue[])[]): string {
  const expected = branches.map((issues) => {
    const missing = issues.filter(({ path, input }) => path.length > 0 && input === undefined)
    if (missing.length > 0) return missing.map(({ path }) => shown(String(path[0]))).join(' and ')
    // Every alternative that was refused has at least one issue.
    const issue = issues[0] as Issue
    const words = issue.code === 'invalid_union' ? alternatives(issue.errors) : issue.message
    return words.replace(/^expected /, '')
  })
  return `expected ${[...new Set(expected)].join(', or ')}`
}

function sentence({ issue: { code, input }, path }: Finding, expected: string, text: PolicyText): string {
  const where = path.length > 0 ? `${field(path, text)}: ` : ''
  if (path.length === 0 && input === null) return 'It is empty.'
  const found = foundText(input) ?? (SHAPED.has(code) ? shapeOf(input, code) : undefined)
  return `${where}${expected}${found === undefined ? '' : `; ${found}`}.`
}

/** Issues about a value itself, rather than its content. */
const SHAPED: ReadonlySet<string> = new Set(['invalid_type', 'invalid_value', 'invalid_union'])

function foundText(input: unknown): string | undefined {
  if (typeof input === 'string') return `found ${shown(input)}`
  return typeof input === 'number' || typeof input === 'boolean' ? `found ${input}` : undefined
}

function shapeOf(input: unknown, code: string): string | undefined {
  if (input === undefined) return 'it is missing'
  if (input === null) return 'found nothing'
  if (Array.isArray(input)) return 'found a list'
  // For alternatives, the hint names the unknown field.
  return code === 'invalid_union' ? undefined : 'found fields with values'
}

/** A path, for messages. */
function field(path: ValuePath, { what }: TextFile): string {
  const [index, ...names] = path
  if (what === 'policy' || typeof index !== 'number') return shown(path.map(String).join('.'))
  const place = `the ${ORDINALS[index] ?? `${index + 1}th`} expectation`
  return names.length === 0 ? place : `${shown(names.map(String).join('.'))} of ${place}`
}

const ORDINALS = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth', 'tenth']
