import { Inspection, type Refusal } from './issue.ts'
import {
  ENTRIES,
  inspectBounds,
  OptionalSchema,
  Schema,
  UNBOUNDED,
  wrongType,
  type Bounds,
  type Infer,
} from './schema.ts'
import { ChoiceSchema } from './scalars.ts'

/** The schemas of the fields of an object. */
export type FieldSchemas = Readonly<Record<string, Schema<unknown>>>

type OptionalName<F extends FieldSchemas> = {
  [Name in keyof F]: F[Name] extends OptionalSchema<unknown> ? Name : never
}[keyof F]
type Plain<T> = T extends infer Written ? { [Name in keyof Written]: Written[Name] } : never

/** An object with these fields. */
export type ObjectOf<F extends FieldSchemas> = Plain<
  { [Name in Exclude<keyof F, OptionalName<F>>]: Infer<F[Name]> } & { [Name in OptionalName<F>]?: Infer<F[Name]> }
>

/** An object with known fields. An unknown field is refused, never ignored. */
export class ObjectSchema<F extends FieldSchemas> extends Schema<ObjectOf<F>> {
  readonly fields: F
  private readonly named: readonly (readonly [name: string, schema: Schema<unknown>, isOptional: boolean])[]

  constructor(fields: F) {
    super()
    this.fields = fields
    this.named = Object.entries(fields).map(([name, schema]) => [name, schema, schema instanceof OptionalSchema])
  }

  protected override read(input: unknown, inspection: Inspection): unknown {
    if (!isFields(input)) {
      inspection.refuse(input, wrongType('object'))
      return input
    }
    const value = Object.create(null) as Record<string, unknown>
    for (const [name, schema, isOptional] of this.named) {
      const given = Object.hasOwn(input, name) ? input[name] : undefined
      if (given === undefined && isOptional) continue
      inspection.path.push(name)
      value[name] = schema.inspect(given, inspection)
      inspection.path.pop()
    }
    const unknown = Object.keys(input).filter((name) => !Object.hasOwn(this.fields, name))
    if (unknown.length > 0) inspection.add(input, unknownFields(unknown))
    return value
  }

  protected override json(): object {
    const properties = Object.fromEntries(this.named.map(([name, schema]) => [name, schema.toJson()]))
    const required = this.named.flatMap(([name, , isOptional]) => (isOptional ? [] : [name]))
    return {
      type: 'object',
      properties,
      ...(required.length > 0 && { required }),
      additionalProperties: false,
    }
  }
}

/** An object with arbitrary field names, or with some of a fixed set. */
export class RecordSchema<Name extends string, Value, Result = Partial<Record<Name, Value>>> extends Schema<Result> {
  readonly names: Schema<Name>
  readonly values: Schema<Value>
  private readonly known: ReadonlySet<string> | undefined

  constructor(names: Schema<Name>, values: Schema<Value>) {
    super()
    this.names = names
    this.values = values
    this.known = names instanceof ChoiceSchema ? new Set<string>(names.values as readonly string[]) : undefined
  }

  protected override read(input: unknown, inspection: Inspection): unknown {
    if (!isFields(input)) {
      inspection.refuse(input, wrongType('record'))
      return input
    }
    const value = Object.create(null) as Record<string, unknown>
    const unknown: string[] = []
    for (const [name, given] of Object.entries(input)) {
      inspection.path.push(name)
      if (this.known?.has(name) === false) unknown.push(name)
      else {
        const checked = this.names.check(name)
        if ('value' in checked) value[name] = this.values.inspect(given, inspection)
        else inspection.refuse(name, { code: 'invalid_key', message: checked.issues[0].message })
      }
      inspection.path.pop()
    }
    if (unknown.length > 0) inspection.add(input, unknownFields(unknown))
    return value
  }

  protected override json(): object {
    return { type: 'object', propertyNames: this.names.toJson(), additionalProperties: this.values.toJson() }
  }
}

export class ListSchema<Value> extends Schema<Value[]> {
  readonly element: Schema<Value>
  private readonly bounds: Bounds = UNBOUNDED

  constructor(element: Schema<Value>) {
    super()
    this.element = element
  }

  min(min: number): this {
    return this.with({ bounds: { ...this.bounds, min } })
  }

  max(max: number): this {
    return this.with({ bounds: { ...this.bounds, max } })
  }

  protected override read(input: unknown, inspection: Inspection): unknown {
    if (!Array.isArray(input)) {
      inspection.refuse(input, wrongType('array'))
      return input
    }
    const value = input.map((item: unknown, index) => {
      inspection.path.push(index)
      const inspected = this.element.inspect(item, inspection)
      inspection.path.pop()
      return inspected
    })
    inspectBounds(this.bounds, { size: input.length, input }, inspection, ENTRIES)
    return value
  }

  protected override json(): object {
    const { min, max } = this.bounds
    return {
      type: 'array',
      ...(min !== undefined && { minItems: min }),
      ...(max !== undefined && { maxItems: max }),
      items: this.element.toJson(),
    }
  }
}

/** Alternatives, in the order in which they are tried. */
export class UnionSchema<Value> extends Schema<Value> {
  readonly options: readonly Schema<Value>[]

  constructor(options: readonly Schema<Value>[]) {
    super()
    this.options = options
  }

  protected override read(input: unknown, inspection: Inspection): unknown {
    const tried: { value: unknown; inner: Inspection }[] = []
    for (const option of this.options) {
      const inner = new Inspection()
      const value = option.inspect(input, inner)
      if (inner.issues.length === 0) return value
      tried.push({ value, inner })
    }
    // If the value has the type of one alternative only, that one is meant.
    const [meant, ...others] = tried.filter(({ inner }) => inner.fatal === 0)
    if (meant && others.length === 0) {
      for (const { input: found, path, ...refusal } of meant.inner.issues) inspection.add(found, refusal, path)
      return meant.value
    }
    const errors = tried.map(({ inner }) => inner.issues)
    inspection.refuse(input, { code: 'invalid_union', errors, message: 'expected another value' })
    return input
  }

  protected override json(): object {
    return { anyOf: this.options.map((option) => option.toJson()) }
  }
}

export function isFields(input: unknown): input is Readonly<Record<string, unknown>> {
  return typeof input === 'object' && input !== null && !Array.isArray(input)
}

function unknownFields(keys: readonly string[]): Refusal {
  return { code: 'unrecognized_keys', keys, message: 'expected known fields only' }
}
