// What names in a JSON-LD document stand for, a second time: the algorithms "Context Processing", "Create Term Definition" and "IRI
// Expansion" of JSON-LD 1.1 Processing Algorithms and API (sections 4.1, 4.2 and 5.2), for contexts that are in the document.
// As in JSON-LD 1.0, any term may be a prefix.

type Fields = Readonly<Record<string, unknown>>

/** The terms that Croissant documents use without defining them. */
const INITIAL = {
  sc: 'https://schema.org/',
  schema: 'https://schema.org/',
  cr: 'http://mlcommons.org/croissant/',
  rai: 'http://mlcommons.org/croissant/RAI/',
  dct: 'http://purl.org/dc/terms/',
  prov: 'http://www.w3.org/ns/prov#',
  citeAs: 'http://mlcommons.org/croissant/citeAs',
  conformsTo: 'http://purl.org/dc/terms/conformsTo',
}

/** Definitions that need this many others are beyond what is supported. */
const DEEPEST = 2
/** No longer names are compared. */
const LONGEST = 2000

interface Active {
  readonly terms: ReadonlyMap<string, string | null>
  readonly vocabulary: string | null
}

/** A definition that uses itself, or too many others. The reader gives it no meaning, or one that is not compared. */
export class Unsupported extends Error {}

/** Reads the contexts one after the other. */
export function activeContext(contexts: readonly unknown[]): Active {
  let active: Active = { terms: new Map(Object.entries(INITIAL)), vocabulary: 'https://schema.org/' }
  for (const local of contexts)
    if (typeof local === 'object' && local !== null) active = withLocal(active, local as Fields)
  return active
}

function withLocal(before: Active, local: Fields): Active {
  const stated = idOf(local['@vocab'])
  const vocabulary = Object.hasOwn(local, '@vocab') ? stated.iri : before.vocabulary
  const own = Object.keys(local).filter((term) => !term.startsWith('@'))
  // Each definition replaces the one before it.
  const terms = new Map([...before.terms].filter(([term]) => !own.includes(term)))
  const begun = new Set<string>()
  const create = (term: string, depth: number): void => {
    if (terms.has(term) || !own.includes(term)) return
    if (begun.has(term) || depth > DEEPEST) throw new Unsupported(term)
    begun.add(term)
    const { iri, isStated } = idOf(local[term])
    const value = isStated ? iri : term
    if (value === null || value === '') terms.set(term, null)
    else if (value !== term)
      terms.set(
        term,
        expand(value, (one) => create(one, depth + 1), { terms, vocabulary }),
      )
    else
      terms.set(
        term,
        compactOrPlain(term, (one) => create(one, depth + 1), { terms, vocabulary }),
      )
    begun.delete(term)
  }
  for (const term of own) create(term, 0)
  return { terms, vocabulary }
}

/** What a definition says. A reverse property is none that has the value. */
function idOf(definition: unknown): { iri: string | null; isStated: boolean } {
  const isObject = typeof definition === 'object' && definition !== null && !Array.isArray(definition)
  const { '@id': id, '@reverse': reverse } = isObject ? (definition as Fields) : { '@id': definition }
  return { iri: typeof id === 'string' ? id : null, isStated: id !== undefined || reverse !== undefined }
}

/** IRI expansion, relative to the vocabulary. */
function expand(name: string, create: (term: string) => void, { terms, vocabulary }: Active): string | null {
  create(name)
  const meant = terms.get(name)
  return meant === undefined ? compactOrPlain(name, create, { terms, vocabulary }) : meant
}

function compactOrPlain(name: string, create: (term: string) => void, { terms, vocabulary }: Active): string | null {
  const [prefix = '', ...rest] = name.split(':')
  if (rest.length === 0) return vocabulary === null ? null : limited(vocabulary + name)
  const suffix = rest.join(':')
  if (prefix === '' || suffix.startsWith('//')) return limited(name)
  create(prefix)
  return limited(`${terms.get(prefix) ?? `${prefix}:`}${suffix}`)
}

function limited(iri: string): string {
  if (iri.length > LONGEST) throw new Unsupported('a long name')
  return iri
}

/** The whole name; null if it has none. */
export function expanded(name: string, active: Active): string | null {
  return expand(name, () => {}, active)
}
