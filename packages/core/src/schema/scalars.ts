import { parsedWithoutPrototypes } from '../snapshot.ts'
import type { Inspection, Refusal } from './issue.ts'
import { CHARACTERS, inspectBounds, Schema, UNBOUNDED, wrongType, type Bounds } from './schema.ts'

/** A regular expression that a text must match. */
interface Format {
  expression: RegExp
  message: string | ((input: string) => string)
  /** Whether a text in another format is not checked further. */
  abort: boolean
}

export class TextSchema extends Schema<string> {
  private readonly wrong: Refusal
  private readonly bounds: Bounds = UNBOUNDED
  private readonly format: Format | undefined = undefined

  constructor(message?: string) {
    super()
    this.wrong = wrongType('string', message)
  }

  min(min: number): this {
    return this.with({ bounds: { ...this.bounds, min } })
  }

  max(max: number): this {
    return this.with({ bounds: { ...this.bounds, max } })
  }

  /** Limits the number of characters, with one message for both limits. */
  length(min: number, max: number, message: string): this {
    return this.with({ bounds: { min, max, message } })
  }

  /** @param message what is expected */
  regex(expression: RegExp, message: Format['message'], { abort = false }: { abort?: boolean } = {}): this {
    return this.with({ format: { expression, message, abort } })
  }

  protected override read(input: unknown, inspection: Inspection): unknown {
    if (typeof input !== 'string') {
      inspection.refuse(input, this.wrong)
      return input
    }
    if (mayExceed(this.bounds, input.length))
      inspectBounds(this.bounds, { size: charactersOf(input), input }, inspection, CHARACTERS)
    if (this.format?.expression.test(input) === false) {
      const { message, abort } = this.format
      const expected = typeof message === 'string' ? message : message(input)
      inspection[abort ? 'refuse' : 'add'](input, { code: 'invalid_format', message: expected })
    }
    return input
  }

  protected override json(): object {
    const { min, max } = this.bounds
    return {
      type: 'string',
      ...(min !== undefined && { minLength: min }),
      ...(max !== undefined && { maxLength: max }),
      ...(this.format && { pattern: this.format.expression.source }),
    }
  }
}

export class IntegerSchema extends Schema<number> {
  private readonly bounds: Bounds = {
    min: Number.MIN_SAFE_INTEGER,
    max: Number.MAX_SAFE_INTEGER,
    message: undefined,
  }

  min(min: number): this {
    return this.with({ bounds: { ...this.bounds, min } })
  }

  max(max: number): this {
    return this.with({ bounds: { ...this.bounds, max } })
  }

  protected override read(input: unknown, inspection: Inspection): unknown {
    if (typeof input !== 'number' || !Number.isFinite(input)) inspection.refuse(input, wrongType('number'))
    else if (!Number.isInteger(input)) inspection.refuse(input, wrongType('int'))
    else inspectBounds(this.bounds, { size: input, input }, inspection)
    return input
  }

  protected override json(): object {
    return { type: 'integer', minimum: this.bounds.min, maximum: this.bounds.max }
  }
}

/** A finite number. JSON has no others, but `JSON.parse` makes Infinity of a number that is too large. */
export class NumberSchema extends Schema<number> {
  protected override read(input: unknown, inspection: Inspection): unknown {
    if (typeof input !== 'number' || !Number.isFinite(input)) inspection.refuse(input, wrongType('number'))
    return input
  }

  protected override json(): object {
    return { type: 'number' }
  }
}

export class BooleanSchema extends Schema<boolean> {
  protected override read(input: unknown, inspection: Inspection): unknown {
    if (typeof input !== 'boolean') inspection.refuse(input, wrongType('boolean'))
    return input
  }

  protected override json(): object {
    return { type: 'boolean' }
  }
}

/** One of several values. */
export class ChoiceSchema<Value extends string | number> extends Schema<Value> {
  readonly values: readonly Value[]
  private readonly wrong: Refusal

  constructor(
    values: readonly Value[],
    message = `expected ${values.map((value) => JSON.stringify(value)).join(' or ')}`,
  ) {
    super()
    this.values = values
    this.wrong = { code: 'invalid_value', values, message }
  }

  protected override read(input: unknown, inspection: Inspection): unknown {
    if (!this.values.includes(input as Value)) inspection.refuse(input, this.wrong)
    return input
  }

  protected override json(): object {
    const [first, ...more] = this.values
    return { type: typeof first, ...(more.length === 0 ? { const: first } : { enum: this.values }) }
  }
}

/** Any value. A copy of it has no prototypes. */
export class AnySchema extends Schema<unknown> {
  protected override read(input: unknown): unknown {
    return parsedWithoutPrototypes(input)
  }

  protected override json(): object {
    return {}
  }
}

/** Whether a text of this many UTF-16 code units may have too few or too many characters, which have one or two each. */
function mayExceed({ min = 0, max = Infinity }: Bounds, length: number): boolean {
  return length > max || length < 2 * min
}

/** As JSON Schema counts them: a pair of surrogates is one character. */
function charactersOf(text: string): number {
  return text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0)
}
