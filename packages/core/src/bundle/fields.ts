import { ModelSealError, shown, type ErrorCode } from '../errors.ts'

/** The document that contains the fields. */
interface ParsedDocument {
  /** The code of refusals. */
  code: ErrorCode
  /** Its path, if it is a file. */
  file?: string | undefined
}

/** Reads the fields of parsed JSON by exact type. Refuses missing, malformed and unknown fields. */
export class Fields {
  readonly #object: Record<string, unknown>
  readonly #document: ParsedDocument
  readonly #path: string
  readonly #index: number | undefined

  /**
   * @param path leads from the document to the object
   * @param index position in the array at `path`, if the object is an item of an array
   */
  constructor(value: unknown, document: ParsedDocument, path = '', index?: number) {
    this.#document = document
    this.#path = path
    this.#index = index
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.#fault(this.#self(), 'an object', value)
    this.#object = value as Record<string, unknown>
  }

  /** Refuses all fields except these. */
  only(...names: string[]): this {
    for (const name of Object.keys(this.#object)) {
      if (!names.includes(name)) throw this.#fault(this.#at(name), 'no such field', name, UNKNOWN)
    }
    return this
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name)
  }

  /** Whether the field has a value. Protocol Buffers in JSON may have null for a field that is not set. */
  isSet(name: string): boolean {
    return this.raw(name) !== undefined && this.raw(name) !== null
  }

  /** The unchecked value; undefined if there is none. */
  raw(name: string): unknown {
    return this.has(name) ? this.#object[name] : undefined
  }

  object(name: string): Fields {
    return new Fields(this.raw(name), this.#document, this.#at(name))
  }

  string(name: string): string {
    const value = this.raw(name)
    if (typeof value !== 'string' || value === '') throw this.#fault(this.#at(name), 'a non-empty string', value)
    return value
  }

  boolean(name: string): boolean {
    const value = this.raw(name)
    if (typeof value !== 'boolean') throw this.#fault(this.#at(name), 'true or false', value)
    return value
  }

  positiveInteger(name: string): number {
    const value = this.raw(name)
    if (!Number.isSafeInteger(value) || (value as number) < 1)
      throw this.#fault(this.#at(name), 'a positive integer', value)
    return value as number
  }

  array(name: string): readonly unknown[] {
    const value = this.raw(name)
    if (!Array.isArray(value)) throw this.#fault(this.#at(name), 'an array', value)
    return value
  }

  objects(name: string): Fields[] {
    return this.array(name).map((_, index) => this.item(name, index))
  }

  /** One item of an array of objects. */
  item(name: string, index: number): Fields {
    return new Fields(this.array(name)[index], this.#document, this.#at(name), index)
  }

  /** The refusal of the object for the caller's reason. */
  fault(name: string, expected: string): ModelSealError {
    return this.#fault(this.#at(name), expected, this.raw(name))
  }

  #at(name: string): string {
    return this.#path === '' ? name : `${this.#self()}.${name}`
  }

  #self(): string {
    return this.#index === undefined ? this.#path : `${this.#path}[${this.#index}]`
  }

  #fault(path: string, expected: string, value: unknown, hint?: string): ModelSealError {
    const { code, file } = this.#document
    const where = file === undefined ? '' : ` in ${shown(file)}`
    return new ModelSealError(code, `Invalid field ${shown(path)}${where}.`, {
      file,
      expected,
      found: described(value),
      hint,
    })
  }
}

/** What is not understood could change what the rest means. */
const UNKNOWN =
  'If it was written by a later version of its format, update modelseal. Otherwise, get it again from its publisher.'

function described(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `an array of length ${value.length}`
  if (typeof value === 'object') return value === null ? 'null' : 'an object'
  return typeof value === 'string' ? shown(value) : JSON.stringify(value)
}
