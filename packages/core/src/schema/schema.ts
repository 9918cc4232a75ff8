import { withoutPrototype } from '../snapshot.ts'
import { Inspection, TYPES, type Issue, type Refusal, type TypeName } from './issue.ts'

/** The type of the values that a schema accepts. */
export type Infer<S extends Schema<unknown>> = S['accepted']

/** A problem found by a custom check. */
export interface Problem {
  /** What was expected. */
  message: string
  /** Path relative to the checked value. */
  path?: readonly PropertyKey[]
  /** The value, if it is not the one that is checked. */
  input?: unknown
  /** What was probably meant. */
  values?: readonly string[]
}

type Check = (value: never, report: (problem: Problem) => void) => void

/**
 * Describes values. Schemas are immutable: each method returns another schema. What one accepts is new, without prototypes, and has
 * only the described fields.
 */
export abstract class Schema<Value> {
  /** Only a type: what the schema accepts. */
  declare readonly accepted: Value
  readonly description: string | undefined = undefined
  private readonly checks: readonly Check[] = []
  private readonly keywords: object = {}

  /** Inspects the type and content of a value, and returns a copy of it. */
  protected abstract read(input: unknown, inspection: Inspection): unknown
  /** As a JSON Schema, without the description and what checks refuse. */
  protected abstract json(): object

  /** Checks a value. */
  check(input: unknown): { value: Value } | { issues: readonly [Issue, ...Issue[]] } {
    const inspection = new Inspection()
    const value = this.inspect(input, inspection) as Value
    const [first, ...more] = inspection.issues
    // Without prototypes, so that "in" tells the two apart whatever is on Object.prototype.
    if (first) return withoutPrototype({ issues: [first, ...more] })
    const accepted = Object.create(null) as { value: Value }
    accepted.value = value
    return accepted
  }

  /** Checks a part of a value. The result is meaningful only if there was no issue. */
  inspect(input: unknown, inspection: Inspection): unknown {
    const { fatal } = inspection
    const value = this.read(input, inspection)
    for (const check of this.checks) {
      if (inspection.fatal > fatal) break
      check(value as never, (problem) => {
        const { path, message, values, input: other } = withoutPrototype(problem)
        const found = Object.hasOwn(problem, 'input') ? other : value
        inspection.add(found, { code: 'custom', message, ...(values && { values }) }, path)
      })
    }
    return value
  }

  optional(): OptionalSchema<Value> {
    return new OptionalSchema(this)
  }

  /** Adds a text for editors. */
  describe(description: string): this {
    return this.with({ description })
  }

  /** Adds keywords to the JSON Schema: what the checks refuse, as far as it can say that. */
  inJson(keywords: object): this {
    return this.with({ keywords: { ...this.keywords, ...keywords } })
  }

  /** Adds a check of values whose type is right. */
  refine(isValid: (value: Value) => boolean, message: string): this {
    return this.withCheck((value, report) => {
      if (!isValid(value)) report({ message })
    })
  }

  /** Adds a check that can report several problems. */
  withCheck(check: (value: Value, report: (problem: Problem) => void) => void): this {
    return this.with({ checks: [...this.checks, check] })
  }

  /** As a JSON Schema. */
  toJson(): object {
    return {
      ...this.json(),
      ...this.keywords,
      ...(this.description !== undefined && { description: this.description }),
    }
  }

  protected with(changes: object): this {
    const copy = Object.create(Object.getPrototypeOf(this) as object) as this
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- a copy of this, with its class
    return Object.assign(copy, this, changes)
  }
}

export class OptionalSchema<Value> extends Schema<Value | undefined> {
  readonly inner: Schema<Value>

  constructor(inner: Schema<Value>) {
    super()
    this.inner = inner
  }

  protected override read(input: unknown, inspection: Inspection): unknown {
    return input === undefined ? undefined : this.inner.inspect(input, inspection)
  }

  protected override json(): object {
    return this.inner.toJson()
  }
}

export function wrongType(expected: TypeName, message = `expected ${TYPES[expected]}`): Refusal {
  return { code: 'invalid_type', expected, message }
}

/** A bound of a number, or of a number of characters or entries. */
export interface Bounds {
  min: number | undefined
  max: number | undefined
  /** What is expected, instead of the text that states the bound. */
  message: string | undefined
}

export const UNBOUNDED: Bounds = { min: undefined, max: undefined, message: undefined }

type Unit = readonly [one: string, many: string]

/** Refuses what is too small or too large. Other checks continue. */
export function inspectBounds(
  { min, max, message }: Bounds,
  { size, input }: { size: number; input: unknown },
  inspection: Inspection,
  unit?: Unit,
): void {
  const written = (limit: number) => (unit ? `${limit} ${unit[limit === 1 ? 0 : 1]}` : `${limit}`)
  if (min !== undefined && size < min) {
    const isEmpty = unit === CHARACTERS && min === 1
    const expected = isEmpty ? 'expected text that is not empty' : `expected at least ${written(min)}`
    inspection.add(input, { code: 'too_small', message: message ?? expected })
  }
  if (max !== undefined && size > max)
    inspection.add(input, { code: 'too_big', message: message ?? `expected at most ${written(max)}` })
}

export const CHARACTERS: Unit = ['character', 'characters']
export const ENTRIES: Unit = ['entry', 'entries']
