import type { z } from 'zod'
import type { ValuePath } from '../reading/policy-text.ts'

type Schema = z.core.$ZodType

/** The fields of an object that a policy may have at one path. */
interface KnownObject {
  fields: readonly string[]
  required: readonly string[]
}

/** The kinds of objects that the schema allows at a path. */
export function objectsAt(schema: Schema, path: ValuePath): KnownObject[] {
  return schemasAt(schema, path).flatMap(({ _zod: { def } }) => {
    if (!isKind(def, 'object')) return []
    const fields = Object.entries(def.shape)
    const required = fields.filter(([, field]) => field._zod.def.type !== 'optional')
    return [{ fields: fields.map(([name]) => name), required: required.map(([name]) => name) }]
  })
}

/** The fields that are allowed at a path, whatever the kind of the object. */
export function fieldsAt(schema: Schema, path: ValuePath): string[] {
  const named = schemasAt(schema, path).flatMap(({ _zod: { def } }) =>
    isKind(def, 'record') ? choices(def.keyType) : [],
  )
  return [...new Set([...objectsAt(schema, path).flatMap(({ fields }) => fields), ...named])]
}

/** The words that are allowed in the list at a path; none if anything else is. */
export function choicesIn(schema: Schema, path: ValuePath): string[] {
  return schemasAt(schema, path).flatMap(elements).flatMap(choices)
}

/** The fields that unknown ones belong under: fields at their own path, else below it, else anywhere. */
export function belongsUnder(unknown: readonly string[], schema: Schema, path: ValuePath): string[] {
  const knowsAll = (fields: readonly string[]) => unknown.every((field) => fields.includes(field))
  const own = fieldsAt(schema, path).filter((name) => knowsAll(fieldsBelow(schema, [...path, name])))
  if (own.length > 0) return own
  const below = ownersIn(schemasAt(schema, path), knowsAll)
  return below.length > 0 ? below : ownersIn([schema], knowsAll)
}

function ownersIn(schemas: readonly Schema[], knows: (fields: readonly string[]) => boolean): string[] {
  const owners = new Set<string>()
  for (const schema of schemas) collectOwners(schema, knows, 0, owners)
  return [...owners]
}

/** Deeper than any policy. */
const MAX_DEPTH = 8

function collectOwners(
  schema: Schema,
  knows: (fields: readonly string[]) => boolean,
  depth: number,
  owners: Set<string>,
): void {
  if (depth > MAX_DEPTH) return
  for (const name of fieldsAt(schema, [])) {
    for (const child of schemasAt(schema, [name]).flatMap(elements)) {
      if (knows(fieldsAt(child, []))) owners.add(name)
      collectOwners(child, knows, depth + 1, owners)
    }
  }
}

function fieldsBelow(schema: Schema, path: ValuePath): string[] {
  return schemasAt(schema, path)
    .flatMap(elements)
    .flatMap((one) => fieldsAt(one, []))
}

/** The elements of a list or the values of a record; otherwise the value itself. */
function elements(schema: Schema): Schema[] {
  const { def } = schema._zod
  if (isKind(def, 'array')) return unwrapped(def.element).flatMap(elements)
  if (isKind(def, 'record')) return unwrapped(def.valueType).flatMap(elements)
  return [schema]
}

function schemasAt(schema: Schema, path: ValuePath): Schema[] {
  return path.reduce<Schema[]>((schemas, step) => schemas.flatMap((one) => childrenOf(one, step)), unwrapped(schema))
}

function childrenOf({ _zod: { def } }: Schema, step: PropertyKey): Schema[] {
  if (isKind(def, 'object')) {
    const child = Object.hasOwn(def.shape, step) ? def.shape[String(step)] : undefined
    return child ? unwrapped(child) : []
  }
  if (isKind(def, 'array')) return unwrapped(def.element)
  return isKind(def, 'record') ? unwrapped(def.valueType) : []
}

/** Removes `optional`, and splits a union into its alternatives. */
function unwrapped(schema: Schema): Schema[] {
  const { def } = schema._zod
  if (isKind(def, 'optional')) return unwrapped(def.innerType)
  return isKind(def, 'union') ? def.options.flatMap((option) => unwrapped(option)) : [schema]
}

function choices({ _zod: { def } }: Schema): string[] {
  return isKind(def, 'enum') ? Object.values(def.entries).map(String) : []
}

interface Kinds {
  object: z.core.$ZodObjectDef
  record: z.core.$ZodRecordDef
  array: z.core.$ZodArrayDef
  union: z.core.$ZodUnionDef
  optional: z.core.$ZodOptionalDef
  enum: z.core.$ZodEnumDef
}

function isKind<K extends keyof Kinds>(def: z.core.$ZodTypeDef, kind: K): def is Kinds[K] {
  return def.type === kind
}
