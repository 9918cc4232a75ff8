import { isFields } from '../../schema/compounds.ts'
import type { Issue } from '../../schema/issue.ts'
import type { Schema } from '../../schema/schema.ts'
import { shown } from '../../errors.ts'
import { belongsUnder, choicesIn, fieldsAt, objectsAt } from './known-fields.ts'
import { didYouMean, nearest } from '../../nearest.ts'
import type { ValuePath } from '../reading/policy-text.ts'

/** What to do about a problem that the schema found: each hint is empty, or a sentence with a space before it. */

/** An object with an unknown field. */
interface Surroundings {
  path: ValuePath
  /** All fields that it has. */
  present: readonly string[]
}

/** For an unknown field: the correct spelling, or where the field belongs. */
export function fieldHint(key: string, schema: Schema<unknown>, { path, present }: Surroundings): string {
  const known = fieldsAt(schema, path)
  const spelled = didYouMean(key, known)
  if (spelled !== '') return spelled
  if (/^(?:digest|hash|sha-?256)$/i.test(key) && known.includes('fingerprint')) return ' Did you mean "fingerprint"?'
  const owners = belongsUnder([key], schema, path)
  const beside = owners.filter((owner) => present.includes(owner))
  return ownersHint('It belongs', beside.length > 0 ? beside : owners)
}

/** A longer list would not help. */
const MOST_OWNERS = 2

function ownersHint(verb: string, owners: readonly string[]): string {
  if (owners.length === 0 || owners.length > MOST_OWNERS) return ''
  return ` ${verb} under ${owners.map((owner) => `"${owner}"`).join(' or ')}.`
}

/** For a value of the wrong type, or one that is not among the allowed values. */
export function hint(issue: Issue, schema: Schema<unknown>, path: ValuePath): string {
  const { input } = issue
  const expected = typesOf(issue)
  if (isOnly(expected, 'array')) return listHint(input, choicesIn(schema, path))
  if (isFields(input)) return misspeltField(issue, input, schema, path)
  if (input === null && path.length > 0 && isOnly(expected, 'object')) return ' Indent its fields below it.'
  if (typeof input === 'string') return textHint(input, issue, schema, path)
  // Not if a number needs more than quotes, such as a unit.
  const isText = isOnly(expected, 'string') && issue.message === 'expected text'
  return isText && (typeof input === 'number' || typeof input === 'boolean') ? ' Put it in quotes.' : ''
}

function listHint(input: unknown, values: readonly string[]): string {
  if (isFields(input)) return ' Begin each entry with "- ".'
  if (typeof input === 'string' && values.length > 0 && !values.includes(input)) {
    const meant = nearest(input, values)
    const listed = values.map((value) => `"${value}"`).join(', ')
    return meant === undefined
      ? ` Write a list of some of ${listed}.`
      : ` Did you mean ["${meant}"]? The list may contain ${listed}.`
  }
  return typeof input === 'string' ? ` Write it as [${shown(input)}].` : ''
}

function textHint(input: string, issue: Issue, schema: Schema<unknown>, path: ValuePath): string {
  const values = valuesOf(issue)
  if (values.some((value) => String(value) === input)) return ' Write it without quotes.'
  const meant = didYouMean(
    input,
    values.filter((value) => typeof value === 'string'),
  )
  if (meant !== '') return meant
  const expected = typesOf(issue)
  const word = /^(?:(yes|on)|no|off)$/i.exec(input)
  if (expected.has('boolean') && word) return ` Write ${word[1] === undefined ? 'false' : 'true'}.`
  return path.length > 0 && isOnly(expected, 'object') ? exampleOf(input, schema, path) : ''
}

/**
 * A sentence about fields of different kinds in one object, if the kinds exclude each other, such as those of a trust root.
 */
export function clashingFields({ input }: Issue, schema: Schema<unknown>, path: ValuePath): string | undefined {
  const kinds = objectsAt(schema, path)
  if (!isFields(input)) return undefined
  const present = Object.keys(input)
  // No clash if one kind has all the fields, or at most one of them is required by a kind.
  const telling = kinds.flatMap(({ required }) => required.filter((name) => present.includes(name)))
  const together = [...new Set(telling)]
  if (together.length < 2 || kinds.some(({ fields }) => together.every((name) => fields.includes(name))))
    return undefined
  const names = together.map((name) => `"${name}"`).join(' and ')
  const fix =
    path[0] === 'trustRoots'
      ? 'Make each a separate trust root with its own name.'
      : path.at(-2) === 'signers'
        ? 'Make each a separate signer.'
        : 'Keep one of them.'
  return `${shown(path.map(String).join('.'))}: expected one kind; found ${names} together. ${fix}`
}

function misspeltField(issue: Issue, input: object, schema: Schema<unknown>, path: ValuePath): string {
  // Checks run on known fields only, so nothing here is misspelt.
  if (issue.code === 'custom') return ''
  const known = fieldsAt(schema, path)
  const unknown = Object.keys(input).filter((key) => !known.includes(key))
  const [key] = unknown
  if (key === undefined) return ''
  const spelled = nearest(key, known)
  if (spelled !== undefined) return ` It has ${shown(key)}. Did you mean "${spelled}"?`
  const owners = ownersHint(unknown.length === 1 ? 'It belongs' : 'They belong', belongsUnder(unknown, schema, path))
  if (owners === '') return ` It has the unknown field ${shown(key)}.`
  return ` It has ${unknown.map((name) => shown(name)).join(' and ')}.${owners}`
}

/** The allowed values, including those of alternatives. */
function valuesOf(issue: Issue): readonly unknown[] {
  if (issue.code === 'invalid_union') return issue.errors.flat().flatMap(valuesOf)
  return ('values' in issue ? issue.values : undefined) ?? []
}

function typesOf(issue: Issue): Set<string> {
  if (issue.code === 'invalid_union') return new Set(issue.errors.flat().flatMap((inner) => [...typesOf(inner)]))
  return new Set(issue.code === 'invalid_type' ? [issue.expected] : ['other'])
}

function isOnly(types: ReadonlySet<string>, type: string): boolean {
  return types.size === 1 && types.has(type)
}

/** How to write a text where an object is expected: under its required field, or its first. */
function exampleOf(input: string, schema: Schema<unknown>, path: ValuePath): string {
  const [kind] = objectsAt(schema, path)
  const name = kind?.required[0] ?? kind?.fields[0]
  return name === undefined ? '' : ` Write it as { ${name}: ${shown(input)} }.`
}
