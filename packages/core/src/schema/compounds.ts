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
import { ChoiceSchema, TextSchema } from './scalars.ts'

/** The schemas of the fields of an object. */
export type FieldSchemas = Readonly<Record<string, Schema<unknown>>>

type OptionalName<F extends FieldSchemas> = {
  [Name in keyof F]: F[Name] extends OptionalSchema<unknown> ? Name : never
}[keyof F]
type Plain<T> = T extends infer Written ? { [Name in keyof Written]: Written[Name] } : never

/** An object with these fields. */
export type ObjectOf<F extends FieldSchemas> = Plain<
  { [Name in Exclude<keyof F, OptionalName<F>>]: Infer<F[Name]> } & {
    [Name in OptionalName<F>]?: Exclude<Infer<F[Name]>, undefined>
  }
>

/** An object with known fields. An unknown field is refused, never ignored, unless the object is open. */
export class ObjectSchema<F extends FieldSchemas> extends Schema<ObjectOf<F>> {
  readonly fields: F
  private readonly isOpen: boolean
  private readonly named: readonly (readonly [name: string, schema: Schema<unknown>, isOptional: boolean])[]
  private readonly inseparable: readonly (keyof F & string)[] = []

  constructor(fields: F, isOpen = false) {
    super()
    this.fields = fields
    this.isOpen = isOpen
    this.named = Object.entries(fields).map(([name, schema]) => [name, schema, schema instanceof OptionalSchema])
  }

  /** Requires all of these optional fields if there is one of them. */
  together(...names: readonly (keyof F & string)[]): this {
    return this.with({ inseparable: names })
  }

  protected override read(input: unknown, inspection: Inspection): unknown {
    if (!isFields(input)) {
      inspection.refuse(input, wrongType('object'))
      return input
    }
    const value = Object.create(null) as Record<string, unknown>
    for (const [name, schema, isOptional] of this.named) {
      const given = Object.hasOwn(input, name) ? input[name] : undefined
      if (isOptional && (given === undefined || (this.isOpen && given === null))) continue
      inspection.path.push(name)
      value[name] = schema.inspect(given, inspection)
      inspection.path.pop()
    }
    const absent = this.inseparable.filter((name) => value[name] === undefined)
    if (absent.length < this.inseparable.length) {
      const message = `expected ${this.inseparable.join(' and ')} together`
      for (const name of absent) inspection.add(undefined, { code: 'custom', message }, [name])
    }
    if (this.isOpen) return value
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
      ...(this.inseparable.length > 0 && {
        dependentRequired: Object.fromEntries(
          this.inseparable.map((name) => [name, this.inseparable.filter((other) => other !== name)]),
        ),
      }),
      ...(!this.isOpen && { additionalProperties: false }),
    }
  }
}

/** An object with arbitrary field names, or with some of a fixed set. */
export class RecordSchema<Name extends string, Value, Result = Partial<Record<Name, Value>>> extends Schema<Result> {
  readonly names: Schema<Name>
  readonly values: Schema<Value>
  private readonly known: ReadonlySet<string> | undefined
  private readonly bounds: Bounds = UNBOUNDED

  constructor(names: Schema<Name>, values: Schema<Value>) {
    super()
    this.names = names
    this.values = values
    this.known = names instanceof ChoiceSchema ? new Set<string>(names.values as readonly string[]) : undefined
  }

  max(max: number): this {
    return this.with({ bounds: { ...this.bounds, max } })
  }

  protected override read(input: unknown, inspection: Inspection): unknown {
    if (!isFields(input)) {
      inspection.refuse(input, wrongType('record'))
      return input
    }
    const entries = Object.entries(input)
    if (isTooLong(this.bounds, { size: entries.length, input }, inspection)) return input
    const value = Object.create(null) as Record<string, unknown>
    const unknown: string[] = []
    for (const [name, given] of entries) {
      inspection.path.push(name)
      if (this.known?.has(name) === false) unknown.push(name)
      else {
        const ofName = new Inspection()
        this.names.inspect(name, ofName)
        const [issue] = ofName.issues
        if (issue) inspection.refuse(name, { code: 'invalid_key', message: issue.message })
        else value[name] = this.values.inspect(given, inspection)
      }
      inspection.path.pop()
    }
    if (unknown.length > 0) inspection.add(input, unknownFields(unknown))
    return value
  }

  protected override json(): object {
    const { max } = this.bounds
    return {
      type: 'object',
      ...(max !== undefined && { maxProperties: max }),
      propertyNames: this.names.toJson(),
      additionalProperties: this.values.toJson(),
    }
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
    if (isTooLong(this.bounds, { size: input.length, input }, inspection)) return input
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
    for (const option of this.options) {
      if (!mayAccept(option, input)) continue
      const inner = new Inspection()
      const value = option.inspect(input, inner)
      if (inner.issues.length === 0) return value
    }
    return this.refused(input, inspection)
  }

  private refused(input: unknown, inspection: Inspection): unknown {
    const tried = this.options.map((option) => {
      const inner = new Inspection()
      return { value: option.inspect(input, inner), inner }
    })
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

/** False for a value of another type, which the schema would refuse with an explanation. */
function mayAccept(schema: Schema<unknown>, input: unknown): boolean {
  if (schema instanceof TextSchema) return typeof input === 'string'
  return schema instanceof ObjectSchema ? isFields(input) : true
}

export function isFields(input: unknown): input is Readonly<Record<string, unknown>> {
  return typeof input === 'object' && input !== null && !Array.isArray(input)
}

/** Refuses a list or record with too many entries, which are then not inspected. */
function isTooLong(
  { max }: Bounds,
  { size, input }: { size: number; input: unknown },
  inspection: Inspection,
): boolean {
  if (max === undefined || size <= max) return false
  const [one, many] = ENTRIES
  inspection.refuse(input, { code: 'too_big', message: `expected at most ${max} ${max === 1 ? one : many}` })
  return true
}

function unknownFields(keys: readonly string[]): Refusal {
  return { code: 'unrecognized_keys', keys, message: 'expected known fields only' }
}
