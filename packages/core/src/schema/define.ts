import { ListSchema, ObjectSchema, RecordSchema, UnionSchema, type FieldSchemas } from './compounds.ts'
import { AnySchema, BooleanSchema, ChoiceSchema, IntegerSchema, NumberSchema, TextSchema } from './scalars.ts'
import type { Infer, Schema } from './schema.ts'

/**
 * How to define schemas. The first policy of a process waits for its schema, and loading Zod and building it took five times as long
 * as everything here.
 */

export type { FieldSchemas, ObjectOf } from './compounds.ts'
export type { Infer, Schema } from './schema.ts'

/** @param message what is expected instead of a value of another type */
export const string = (message?: string) => new TextSchema(message)
export const int = () => new IntegerSchema()
export const number = () => new NumberSchema()
export const boolean = () => new BooleanSchema()
export const literal = <const Value extends string | number>(value: Value) => new ChoiceSchema([value])
export const oneOf = <const Value extends string>(values: readonly Value[], message?: string) =>
  new ChoiceSchema(values, message)

/** An object that has only these fields. */
export const strictObject = <F extends FieldSchemas>(fields: F) => new ObjectSchema(fields)
/** An object of which only these fields are read. As in-toto and SLSA prescribe, other fields are ignored, and null means that a field is not set. */
export const openObject = <F extends FieldSchemas>(fields: F) => new ObjectSchema(fields, true)
export const anything = () => new AnySchema()
export const array = <Value>(element: Schema<Value>) => new ListSchema(element)
export const record = <Value>(names: Schema<string>, values: Schema<Value>) =>
  new RecordSchema<string, Value, Record<string, Value>>(names, values)
/** An object that may have some of the named fields. */
export const optionalFields = <Name extends string, Value>(names: ChoiceSchema<Name>, values: Schema<Value>) =>
  new RecordSchema<Name, Value>(names, values)
export const union = <const Options extends readonly Schema<unknown>[]>(options: Options) =>
  new UnionSchema<Infer<Options[number]>>(options)
