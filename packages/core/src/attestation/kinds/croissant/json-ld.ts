import { isFields } from '../../../schema/compounds.ts'
import type { PredicateFault } from '../kind.ts'
import { defined, MAX_URI } from '../values.ts'

/** The namespaces of the properties that are read, by the prefix that names them here and, by convention, in documents. */
const NAMESPACES = {
  sc: 'https://schema.org/',
  cr: 'http://mlcommons.org/croissant/',
  rai: 'http://mlcommons.org/croissant/RAI/',
  dct: 'http://purl.org/dc/terms/',
  prov: 'http://www.w3.org/ns/prov#',
} as const

/** One begins with another. */
const LONGEST_FIRST = Object.entries(NAMESPACES).toSorted(([, a], [, b]) => b.length - a.length)

/** A property or class, such as `sc:name`. */
type Term = `${keyof typeof NAMESPACES}:${string}`

/** Terms of Croissant that documents write without a prefix, also if their context does not define them. */
const DEFAULT_TERMS: Readonly<Record<string, string>> = { citeAs: 'cr:citeAs', conformsTo: 'dct:conformsTo' }

/** Terms may be defined by other terms, and those by prefixes. */
const MAX_STEPS = 4
/** Of one property: what any list of an attestation may have. */
const MAX_VALUES = 1_000

/** They would change what a terminal shows, of whoever prints a card. */
const CONTROL = /[^\P{Cc}\t\n\r]/u

/** Contexts that are elsewhere are not fetched. These define nothing else than {@link NAMESPACES} and {@link DEFAULT_TERMS}. */
const KNOWN_CONTEXT = /^https?:\/\/(?:schema\.org|mlcommons\.org\/croissant)(?:\/|$)/

/** What terms stand for, by their names. An empty text is no meaning. */
type Definitions = ReadonlyMap<string, string>
const NONE: Definitions = new Map()

/** What the names in a JSON-LD document mean, as far as its context says it in the document (JSON-LD 1.1, section 3.1). */
export class JsonLdContext {
  /** Their meanings are complete: a later context that defines a prefix anew does not change them. */
  readonly #terms = new Map<string, string>()
  /** Of names that were asked for. The reader of the JSON limits how many there are. */
  readonly #known = new Map<string, Term | undefined>()
  #vocabulary: string = NAMESPACES.sc

  /** @throws {@link ModelSealError} as `fault` makes it, for a context that is elsewhere or not valid */
  constructor(context: unknown, fault: PredicateFault) {
    this.#define({ ...DEFAULT_TERMS, ...NAMESPACES, schema: NAMESPACES.sc }, fault)
    for (const part of [context].flat()) {
      if (typeof part === 'string' && KNOWN_CONTEXT.test(part)) continue
      if (!isFields(part)) throw fault('@context', 'an object, or a context of Croissant or schema.org', part)
      this.#define(part, fault)
    }
  }

  #define(definitions: Readonly<Record<string, unknown>>, fault: PredicateFault): void {
    const given = new Map<string, string>()
    for (const [name, definition] of Object.entries(definitions)) {
      const details = isFields(definition) ? definition : { '@id': definition }
      const iri = details['@id']
      // A copy of it is made for each name that begins with it.
      if (typeof iri === 'string' && iri.length > MAX_URI)
        throw fault('@context', `terms of at most ${MAX_URI} characters`, `${iri.length} characters`)
      // Null is no meaning.
      const meaning = typeof iri === 'string' ? iri : ''
      if (name === '@vocab') this.#vocabulary = meaning
      // What only says how values are written, such as `{ "@type": "@id" }`, leaves the meaning to the prefix or vocabulary.
      else if (!name.startsWith('@'))
        given.set(name, iri === undefined && details['@reverse'] === undefined ? name : meaning)
    }
    const meanings = [...given.keys()].map((name) => [name, this.#iriOf(name, given)] as const)
    for (const [name, iri] of meanings) this.#terms.set(name, iri)
  }

  /** The term that a name means; undefined if it is not in a known namespace. */
  termOf(name: string): Term | undefined {
    if (!this.#known.has(name)) this.#known.set(name, this.#termFor(this.#iriOf(name)))
    return this.#known.get(name)
  }

  #termFor(iri: string): Term | undefined {
    const secure = iri.replace(/^http:\/\/schema\.org\//, NAMESPACES.sc)
    for (const [prefix, namespace] of LONGEST_FIRST)
      if (secure.startsWith(namespace)) return `${prefix}:${secure.slice(namespace.length)}` as Term
    return undefined
  }

  /** @param given definitions that are being read, which may be in any order */
  #iriOf(name: string, given: Definitions = NONE, step = 0): string {
    const meant = given.get(name) ?? this.#terms.get(name)
    if (meant !== undefined && !given.has(name)) return meant
    if (meant === '' || step === MAX_STEPS) return ''
    if (meant !== undefined && meant !== name) return this.#iriOf(meant, given, step + 1)
    const iri = this.#prefixed(name, given, step)
    // No term is as long, and others could make it longer.
    return iri.length > MAX_URI ? '' : iri
  }

  #prefixed(name: string, given: Definitions, step: number): string {
    const colon = name.indexOf(':')
    const prefix = name.slice(0, colon)
    const isPrefix = colon > 0 && !name.startsWith('//', colon + 1) && (given.has(prefix) || this.#terms.has(prefix))
    const start = isPrefix ? this.#iriOf(prefix, given, step) : ''
    if (start !== '') return start + name.slice(colon + 1)
    return colon < 0 ? this.#vocabulary + name : name
  }
}

/** Something that a document names, by a name, an address, or both. */
export interface Thing {
  name?: string
  url?: string
}

/** An object of a JSON-LD document, whose properties are read strictly. */
export class JsonLdNode {
  readonly #properties: Readonly<Record<string, unknown>>
  readonly #context: JsonLdContext
  readonly #fault: PredicateFault

  constructor(properties: Readonly<Record<string, unknown>>, context: JsonLdContext, fault: PredicateFault) {
    this.#properties = properties
    this.#context = context
    this.#fault = fault
  }

  /** Whether it is of a class. */
  isA(type: Term): boolean {
    const types = [this.#properties['@type']].flat()
    if (types.length > MAX_VALUES) throw this.#fault('@type', `at most ${MAX_VALUES} values`, `${types.length} values`)
    return types.some((one) => typeof one === 'string' && this.#context.termOf(one) === type)
  }

  /**
   * The text of a property that has at most one.
   *
   * @throws {@link ModelSealError} as the fault of the node makes it; all methods do
   */
  text(term: Term, maxLength: number): string | undefined {
    const [value, ...others] = this.texts(term, maxLength)
    if (others.length > 0) throw this.#fault(nameIn(term), 'one value', `${others.length + 1} values`)
    return value
  }

  /** All texts of a property. */
  texts(term: Term, maxLength: number): string[] {
    return this.#read(term, (value, path) => this.#checked(literalIn(value), path, maxLength))
  }

  /** The persons, works or terms of a property: objects, or texts that are names or addresses. */
  things(term: Term, maxLength: number): Thing[] {
    return this.#read(term, (value, path) => {
      if (!isFields(value) || Object.hasOwn(value, '@value'))
        return thingNamed(this.#checked(literalIn(value), path, maxLength))
      const inner = new JsonLdNode(value, this.#context, (field, ...rest) => this.#fault(`${path}.${field}`, ...rest))
      const id = value['@id']
      const name = inner.text('sc:name', maxLength) ?? inner.text('prov:label', maxLength)
      const url =
        inner.text('sc:url', maxLength) ?? (id === undefined ? undefined : this.#checked(id, `${path}.@id`, maxLength))
      if (name === undefined && url === undefined) throw this.#fault(path, 'a text, or an object with a name', value)
      return defined({ name, url })
    })
  }

  #read<Value>(term: Term, read: (value: unknown, path: string) => Value): Value[] {
    const names = Object.keys(this.#properties).filter((name) => this.#context.termOf(name) === term)
    // JSON-LD merges them, but whoever reads the document may see only one.
    if (names.length > 1) throw this.#fault(nameIn(term), 'one property with this meaning', names.join(' and '))
    const [given] = names.map((name) => this.#properties[name])
    const values = [given].flat().filter((value) => value !== null && value !== undefined)
    if (values.length > MAX_VALUES)
      throw this.#fault(nameIn(term), `at most ${MAX_VALUES} values`, `${values.length} values`)
    return values.map((value, index) => read(value, Array.isArray(given) ? `${nameIn(term)}[${index}]` : nameIn(term)))
  }

  #checked(value: unknown, path: string, maxLength: number): string {
    if (typeof value !== 'string' || value === '') throw this.#fault(path, 'a text', value)
    if (CONTROL.test(value)) throw this.#fault(path, 'a text without control characters', value)
    if (value.length <= maxLength) return value
    throw this.#fault(path, `a text of at most ${maxLength} characters`, `${value.length} characters`)
  }
}

/** JSON-LD 1.1, 4.2: a value may be an object, for its type or language. */
function literalIn(value: unknown): unknown {
  return isFields(value) ? (value['@value'] ?? value['@id'] ?? value) : value
}

function thingNamed(text: string): Thing {
  return /^https?:/i.test(text) ? { url: text } : { name: text }
}

function nameIn(term: Term): string {
  return term.slice(term.indexOf(':') + 1)
}
