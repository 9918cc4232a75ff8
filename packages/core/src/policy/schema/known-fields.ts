import { ListSchema, ObjectSchema, RecordSchema, UnionSchema, type FieldSchemas } from '../../schema/compounds.ts'
import { ChoiceSchema } from '../../schema/scalars.ts'
import { OptionalSchema, type Schema as SchemaOf } from '../../schema/schema.ts'
import type { ValuePath } from '../reading/policy-text.ts'

type Schema = SchemaOf<unknown>

/** The fields of an object that a policy may have at one path. */
interface KnownObject {
  fields: readonly string[]
  required: readonly string[]
}

/** The kinds of objects that the schema allows at a path. */
export function objectsAt(schema: Schema, path: ValuePath): KnownObject[] {
  return schemasAt(schema, path).flatMap((one) => {
    if (!isObject(one)) return []
    const fields = Object.entries(one.fields)
    const required = fields.filter(([, field]) => !(field instanceof OptionalSchema))
    return [{ fields: fields.map(([name]) => name), required: required.map(([name]) => name) }]
  })
}

/** The fields that are allowed at a path, whatever the kind of the object. */
export function fieldsAt(schema: Schema, path: ValuePath): string[] {
  const named = schemasAt(schema, path).flatMap((one) => (isRecord(one) ? choices(one.names) : []))
  return [...new Set([...objectsAt(schema, path).flatMap(({ fields }) => fields), ...named])]
}

/** The words that are allowed at a path, or in the list there. */
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
  for (const schema of schemas) collectOwners(schema, knows, owners)
  return [...owners]
}

function collectOwners(schema: Schema, knows: (fields: readonly string[]) => boolean, owners: Set<string>): void {
  for (const name of fieldsAt(schema, [])) {
    for (const child of schemasAt(schema, [name]).flatMap(elements)) {
      if (knows(fieldsAt(child, []))) owners.add(name)
      collectOwners(child, knows, owners)
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
  if (isList(schema)) return unwrapped(schema.element).flatMap(elements)
  if (isRecord(schema)) return unwrapped(schema.values).flatMap(elements)
  return [schema]
}

function schemasAt(schema: Schema, path: ValuePath): Schema[] {
  return path.reduce<Schema[]>((schemas, step) => schemas.flatMap((one) => childrenOf(one, step)), unwrapped(schema))
}

function childrenOf(schema: Schema, step: PropertyKey): Schema[] {
  if (isObject(schema)) {
    const child = Object.hasOwn(schema.fields, step) ? schema.fields[String(step)] : undefined
    return child ? unwrapped(child) : []
  }
  if (isList(schema)) return unwrapped(schema.element)
  return isRecord(schema) ? unwrapped(schema.values) : []
}

/** Removes `optional`, and splits a union into its alternatives. */
function unwrapped(schema: Schema): Schema[] {
  if (schema instanceof OptionalSchema) return unwrapped((schema as OptionalSchema<unknown>).inner)
  return schema instanceof UnionSchema ? (schema as UnionSchema<unknown>).options.flatMap(unwrapped) : [schema]
}

function choices(schema: Schema): string[] {
  return schema instanceof ChoiceSchema ? (schema as ChoiceSchema<string>).values.map(String) : []
}

function isObject(schema: Schema): schema is ObjectSchema<FieldSchemas> {
  return schema instanceof ObjectSchema
}

function isList(schema: Schema): schema is ListSchema<unknown> {
  return schema instanceof ListSchema
}

function isRecord(schema: Schema): schema is RecordSchema<string, unknown> {
  return schema instanceof RecordSchema
}
