import * as s from '../../schema/define.ts'

/** Values that several kinds of predicates contain, with bounds far beyond those of real predicates. */

/** The entries of any list that is read. */
const MAX_ENTRIES = 1_000
export const MAX_NAME = 1_000
export const MAX_URI = 8_192
/** Descriptions may be the whole text of a model card. */
export const MAX_TEXT = 2 * 1024 * 1024

export const boundedName = s.string().min(1).max(MAX_NAME)
export const boundedUri = s.string().min(1).max(MAX_URI)

const SHA256 = /^[0-9a-f]{64}$/

/** SHA-256, the only digest that identifies a model. */
export const sha256Schema = s.string().regex(SHA256, 'expected a SHA-256 digest of 64 lowercase hex digits')

export function isSha256(value: unknown): boolean {
  return typeof value === 'string' && SHA256.test(value)
}

export const boundedList = <Value>(element: s.Schema<Value>) => s.array(element).max(MAX_ENTRIES)

export const boundedRecord = <Value>(values: s.Schema<Value>) => s.record(boundedName, values).max(MAX_ENTRIES)

/** A ResourceDescriptor (in-toto Attestation Framework 1.0), without its inline content. */
export const resourceSchema = s.openObject({
  name: boundedName.optional(),
  uri: boundedUri.optional(),
  digest: boundedRecord(boundedName).optional(),
  downloadLocation: boundedUri.optional(),
  mediaType: boundedName.optional(),
  annotations: boundedRecord(s.anything()).optional(),
})

/** An artifact that a predicate is about: its digests by algorithm, and names that are only hints. */
export type ResourceDescriptor = s.Infer<typeof resourceSchema>

/** The values that are there, in the notation of policies for digests. */
export function digestsOf(values: readonly (string | undefined)[]): string[] {
  return unique(values.map((value) => value && `sha256:${value}`))
}

/** The values that are there, each once. */
export function unique<Value>(values: readonly (Value | undefined)[]): Value[] {
  return [...new Set(values.filter((value) => value !== undefined))]
}

type Defined<T> = { [Name in keyof T as undefined extends T[Name] ? never : Name]: T[Name] } & {
  [Name in keyof T as undefined extends T[Name] ? Name : never]?: Exclude<T[Name], undefined>
}

/** The same object without the fields that are undefined. */
export function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>
}
