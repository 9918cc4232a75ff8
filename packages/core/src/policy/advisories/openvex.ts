import { createHash } from 'node:crypto'
import { faultsIn, readBy } from '../../attestation/kinds/kind.ts'
import { parseStrictJson } from '../../bundle/json.ts'
import { ModelSealError } from '../../errors.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import * as s from '../../schema/define.ts'
import { timeSchema } from '../../schema/time.ts'
import { canonicalPackageUrl, packageUrlFault } from '../revocations/package-url.ts'
import { withLibraries } from '../when-needed.ts'
import { canonicalJson } from '../../schema/canonical-json.ts'
import { listEntries, type ListedEntry } from './entries.ts'
import { givenFeed } from './feed-entries.ts'
import type { Denied } from './feed-schema.ts'
import type { AdvisoryFeed } from './feed-statement.ts'

/** OpenVEX 0.2.0 (https://github.com/openvex/spec): what is affected by a vulnerability, by package URL and digest. */

const CONTEXT = 'https://openvex.dev/ns/v0.2.0'
/** OpenVEX has no word for a digest over the digests of all files. */
const ROOT_DIGEST = 'urn:modelseal:root-digest:sha256:'

/** A document of OpenVEX, and what it does not say. */
export interface ExportedVex {
  document: object
  /** Entries that OpenVEX has no words for: signers, attestations, periods, and BLAKE3 digests. */
  leftOut: readonly ListedEntry[]
}

/**
 * Writes what a feed denies as a document of OpenVEX, for scanners and inventories. It is not signed.
 *
 * @throws {@link ModelSealError} `ADVISORY_INVALID` if OpenVEX has no words for anything in the feed; `INVALID_ARGUMENT`
 * @example
 * ```ts
 * const { document } = await exportOpenVex((await inspectFeed('advisories.jsonl')).feed)
 * ```
 */
export async function exportOpenVex(given: AdvisoryFeed): Promise<ExportedVex> {
  const { feed, sequence, issued, denied } = await givenFeed(given, 'exportOpenVex')
  const entries = await listEntries(denied)
  const products = entries.map((one) => ({ one, product: productOf(one) }))
  const leftOut = products.flatMap(({ one, product }) => (product ? [] : [one]))
  const statements = new Map<string, { reason?: string; severity?: string; products: Map<string, object> }>()
  for (const { one, product } of products) {
    if (!product) continue
    const { reason, severity } = typeof one.entry === 'string' ? {} : one.entry
    const key = JSON.stringify([reason, severity])
    const facts = { ...(reason && { reason }), ...(severity && { severity }) }
    const statement = statements.get(key) ?? { ...facts, products: new Map<string, object>() }
    // Each once, which the JSON Schema of OpenVEX demands. The same digest may have several notations.
    statement.products.set(one.name, product)
    statements.set(key, statement)
  }
  if (statements.size === 0) {
    throw new ModelSealError(
      'ADVISORY_INVALID',
      'Cannot export the feed: OpenVEX has no words for anything that it denies.',
      {
        expected: 'a model, file or package that is denied whenever it was signed',
      },
    )
  }
  const document = {
    '@context': CONTEXT,
    '@id': `urn:modelseal:advisory-feed:${encodeURIComponent(feed.toWellFormed())}:${sequence}`,
    author: feed,
    timestamp: issued,
    version: sequence,
    statements: [...statements.values()].map(({ reason, severity, products: affected }) => ({
      vulnerability: { name: feed, ...(reason && { description: reason }) },
      products: [...affected.values()],
      status: 'affected',
      ...(severity && { status_notes: `Severity: ${severity}.` }),
      action_statement: 'Do not load it.',
    })),
  }
  return { document, leftOut }
}

/** @returns undefined if OpenVEX has no words for it */
function productOf({ list, entry }: ListedEntry): object | undefined {
  const { from, until } = typeof entry === 'string' ? {} : entry
  if (from !== undefined || until !== undefined) return undefined
  const { digest = '', purl = '' } = typeof entry === 'string' ? { digest: entry, purl: entry } : entry
  const [hex = '', algorithm] = digest.split(':').reverse()
  if (list === 'rootDigests') return { '@id': `${ROOT_DIGEST}${hex}`, hashes: { 'sha-256': hex } }
  if (list === 'packages') {
    const canonical = canonicalPackageUrl(purl)
    return { '@id': canonical, identifiers: { purl: canonical } }
  }
  if (list !== 'fileDigests' || algorithm === 'blake3') return undefined
  return { hashes: { [algorithm === 'blake2b' ? 'blake2b-512' : 'sha-256']: hex } }
}

const productSchema = s.openObject({
  '@id': s.string().optional(),
  identifiers: s.openObject({ purl: s.string().optional() }).optional(),
  hashes: s.record(s.string(), s.string()).optional(),
  subcomponents: s.array(s.anything()).optional(),
})

const documentSchema = s.openObject({
  '@context': s.string().regex(/^https:\/\/openvex\.dev\/ns(\/|$)/, `expected ${CONTEXT}`),
  timestamp: timeSchema.optional(),
  statements: s.array(
    s.openObject({
      vulnerability: s.openObject({ name: s.string().min(1) }),
      timestamp: timeSchema.optional(),
      products: s.array(productSchema).optional(),
      status: s.oneOf(['not_affected', 'affected', 'fixed', 'under_investigation']),
    }),
  ),
})

type Product = s.Infer<typeof productSchema>
type Document = s.Infer<typeof documentSchema>

/** What a document of OpenVEX says is affected. */
export interface ImportedVex {
  /** With the name of the vulnerability as the reason. */
  entries: Denied
  /** Affected products that are named by neither a package URL nor a digest that is known, and statements that name no product. */
  unnamed: number
  /** Affected products that a later statement about the same vulnerability calls something else, such as fixed. */
  superseded: number
  /** Parts of affected products. It is the products that are affected. */
  subcomponents: number
  /** Statements with another status. */
  others: number
}

type NamedByVex = Required<Pick<Denied, 'rootDigests' | 'fileDigests' | 'packages'>>

/** A document with a hundred thousand products. */
const MAX_BYTES = 32 * 1024 * 1024
const MAX_VALUES = 1_000_000
const LONGEST_REASON = 1_000

/**
 * Reads which products a document of OpenVEX calls affected: by package URL, SHA-256 or BLAKE2b. A digest counts as that of a file, unless
 * the document was exported by {@link exportOpenVex}. The latest statement about a vulnerability of a product counts; of several at the same
 * time, the one that calls it affected.
 *
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, `ADVISORY_TOO_LARGE`, `JSON_*`, `FILE_*`
 * @example
 * ```ts
 * const { entries } = await importOpenVex('advisory.openvex.json')
 * await addToFeed('advisories.yaml', entries)
 * ```
 */
export async function importOpenVex(file: string): Promise<ImportedVex> {
  const bytes = await readSmallFile(file, {
    what: 'OpenVEX document',
    maxBytes: MAX_BYTES,
    tooLarge: 'ADVISORY_TOO_LARGE',
  })
  const json = parseStrictJson(bytes, { what: 'OpenVEX document', file, maxValues: MAX_VALUES })
  const document = readBy(documentSchema, json, faultsIn('ADVISORY_INVALID', 'Cannot read the OpenVEX document', file))
  return withLibraries(() => affectedBy(document))
}

/** @throws {@link LibraryNeeded} */
function affectedBy({ timestamp: issued, statements }: Document): ImportedVex {
  const entries: NamedByVex = { rootDigests: [], fileDigests: [], packages: [] }
  const affected = statements.filter(({ status }) => status === 'affected')
  const later = new LaterStatements()
  for (const statement of statements) if (statement.status !== 'affected') later.add(statement, issued)
  let [unnamed, subcomponents] = [0, 0]
  const denied = new Set<string>()
  const named: string[][] = []
  for (const { vulnerability, products = [], timestamp = issued } of affected) {
    const { name } = vulnerability
    // A feed cannot have half a character (see isWellFormed in feed-statement.ts).
    const reason = name.slice(0, LONGEST_REASON).toWellFormed()
    if (products.length === 0) unnamed++
    for (const product of products) {
      const names = namesOf(product)
      const current = names.filter(
        (one) => !later.supersede({ vulnerability: name, name: one.name, product, timestamp }),
      )
      for (const { list, name: digest } of current) {
        if (list === 'packages') entries.packages.push({ purl: digest, reason })
        else entries[list].push({ digest, reason })
        denied.add(keyOf(name, digest))
      }
      if (names.length === 0) unnamed++
      else named.push(names.map((one) => keyOf(name, one.name)))
      if (current.length > 0) subcomponents += product.subcomponents?.length ?? 0
    }
  }
  const lists = Object.entries(entries).filter(([, list]) => list.length > 0)
  const others = statements.length - affected.length
  return {
    entries: Object.fromEntries(lists),
    unnamed,
    // Another statement may say that it is affected again.
    superseded: named.filter((names) => !names.some((one) => denied.has(one))).length,
    subcomponents,
    others,
  }
}

interface ProductName {
  list: keyof NamedByVex
  /** A package URL or a digest. */
  name: string
}

/** Everything that names a product. */
function namesOf({ '@id': id = '', identifiers, hashes = {} }: Product): ProductName[] {
  const purls = [id, identifiers?.purl ?? ''].filter(
    (text) => /^pkg:/i.test(text) && packageUrlFault(text) === undefined,
  )
  const [sha256, blake2b] = [hexOf(hashes['sha-256'], 64), hexOf(hashes['blake2b-512'], 128)]
  return [
    ...[...new Set(purls.map(canonicalPackageUrl))].map((name) => ({ list: 'packages' as const, name })),
    ...(sha256 === undefined ? [] : [{ list: listOf(id, sha256), name: `sha256:${sha256}` }]),
    ...(blake2b === undefined ? [] : [{ list: 'fileDigests' as const, name: `blake2b:${blake2b}` }]),
  ]
}

/** One name of a product that is affected by a vulnerability, and when that was known. */
interface Affected {
  vulnerability: string
  name: string
  product: Product
  timestamp: string | undefined
}

/**
 * The latest statements that a product is not, no longer or perhaps affected. "VEX is designed to be a sequence of statements, each
 * overriding, but also enriching the previous ones" (OpenVEX, "The VEX Statement").
 */
class LaterStatements {
  readonly #times = new Map<string, number>()

  add({ vulnerability, products = [], timestamp }: Document['statements'][number], issued: string | undefined): void {
    // OpenVEX, "Inheritance Flow": a statement without a time has that of the document.
    const time = Date.parse(timestamp ?? issued ?? '')
    if (Number.isNaN(time)) return
    for (const product of products) {
      for (const { name } of namesOf(product)) {
        const key = keyOf(vulnerability.name, name, partsOf(product))
        this.#times.set(key, Math.max(time, this.#times.get(key) ?? -Infinity))
      }
    }
  }

  /** False if the time of either is not known: in doubt, a product is affected. */
  supersede({ vulnerability, name, product, timestamp = '' }: Affected): boolean {
    const time = Date.parse(timestamp)
    // What is said about other parts of the product says nothing about these.
    return [partsOf(product), ''].some((parts) => (this.#times.get(keyOf(vulnerability, name, parts)) ?? NaN) > time)
  }
}

function keyOf(...parts: string[]): string {
  return JSON.stringify(parts)
}

/** The same text for the same parts of a product; empty for the whole. */
function partsOf({ subcomponents = [] }: Product): string {
  return subcomponents.length === 0 ? '' : createHash('sha256').update(canonicalJson(subcomponents)).digest('hex')
}

function listOf(id: string, sha256: string): 'rootDigests' | 'fileDigests' {
  return id === `${ROOT_DIGEST}${sha256}` ? 'rootDigests' : 'fileDigests'
}

/** In lowercase; undefined if it is not a digest of this length. */
function hexOf(text: string | undefined, length: number): string | undefined {
  const hex = text?.toLowerCase()
  return hex?.length === length && /^[0-9a-f]+$/.test(hex) ? hex : undefined
}
