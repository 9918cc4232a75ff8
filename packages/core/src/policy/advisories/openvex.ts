import { faultsIn, readBy } from '../../attestation/kinds/kind.ts'
import { parseStrictJson } from '../../bundle/json.ts'
import { ModelSealError } from '../../errors.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import * as s from '../../schema/define.ts'
import { canonicalPackageUrl, packageUrlFault } from '../revocations/package-url.ts'
import { withLibraries } from '../when-needed.ts'
import { feedEntries, type ListedEntry } from './entries.ts'
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
 * @throws {@link ModelSealError} `ADVISORY_INVALID` if OpenVEX has no words for anything in the feed
 * @example
 * ```ts
 * const { document } = await exportOpenVex((await inspectFeed('advisories.jsonl')).feed)
 * ```
 */
export async function exportOpenVex({ feed, sequence, issued, denied }: AdvisoryFeed): Promise<ExportedVex> {
  const entries = await feedEntries({ denied })
  const products = entries.map((one) => ({ one, product: productOf(one) }))
  const leftOut = products.flatMap(({ one, product }) => (product ? [] : [one]))
  const statements = new Map<string, { reason?: string; severity?: string; products: object[] }>()
  for (const { one, product } of products) {
    if (!product) continue
    const { reason, severity } = typeof one.entry === 'string' ? {} : one.entry
    const key = JSON.stringify([reason, severity])
    const statement = statements.get(key) ?? { ...(reason && { reason }), ...(severity && { severity }), products: [] }
    statement.products.push(product)
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
    '@id': `urn:modelseal:advisory-feed:${encodeURIComponent(feed)}:${sequence}`,
    author: feed,
    timestamp: issued,
    version: sequence,
    statements: [...statements.values()].map(({ reason, severity, products: affected }) => ({
      vulnerability: { name: feed, ...(reason && { description: reason }) },
      products: affected,
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
  const [hex = '', algorithm = 'sha256'] = digest.split(':').reverse()
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
})

const documentSchema = s.openObject({
  '@context': s.string().regex(/^https:\/\/openvex\.dev\/ns(\/|$)/, `expected ${CONTEXT}`),
  statements: s.array(
    s.openObject({
      vulnerability: s.openObject({ name: s.string().min(1) }),
      products: s.array(productSchema).optional(),
      status: s.oneOf(['not_affected', 'affected', 'fixed', 'under_investigation']),
    }),
  ),
})

/** What a document of OpenVEX says is affected. */
export interface ImportedVex {
  /** With the name of the vulnerability as the reason. */
  entries: Denied
  /** Products that are affected, but named by neither a package URL nor a digest that is known. */
  unnamed: number
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
 * the document was exported by {@link exportOpenVex}.
 *
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, `ADVISORY_TOO_LARGE`, `JSON_*`, `FILE_*`
 * @example
 * ```ts
 * const { entries } = await importOpenVex('advisory.openvex.json')
 * await addToFeed('advisories.yaml', entries)
 * ```
 */
export async function importOpenVex(file: string): Promise<ImportedVex> {
  const document = await readSmallFile(file, {
    what: 'OpenVEX document',
    maxBytes: MAX_BYTES,
    tooLarge: 'ADVISORY_TOO_LARGE',
  })
  const json = parseStrictJson(document, { what: 'OpenVEX document', file, maxValues: MAX_VALUES })
  const { statements } = readBy(
    documentSchema,
    json,
    faultsIn('ADVISORY_INVALID', 'Cannot read the OpenVEX document', file),
  )
  const affected = statements.filter(({ status }) => status === 'affected')
  return withLibraries(() => {
    const entries: NamedByVex = { rootDigests: [], fileDigests: [], packages: [] }
    let unnamed = 0
    for (const { vulnerability, products = [] } of affected) {
      const reason = vulnerability.name.slice(0, LONGEST_REASON)
      for (const { '@id': id = '', identifiers, hashes = {} } of products) {
        const purls = [id, identifiers?.purl ?? ''].filter(
          (text) => /^pkg:/i.test(text) && packageUrlFault(text) === undefined,
        )
        const names = [...new Set(purls.map(canonicalPackageUrl))]
        const [sha256, blake2b] = [hexOf(hashes['sha-256'], 64), hexOf(hashes['blake2b-512'], 128)]
        for (const purl of names) entries.packages.push({ purl, reason })
        if (sha256 !== undefined) entries[listOf(id, sha256)].push({ digest: `sha256:${sha256}`, reason })
        if (blake2b !== undefined) entries.fileDigests.push({ digest: `blake2b:${blake2b}`, reason })
        if (names.length === 0 && sha256 === undefined && blake2b === undefined) unnamed++
      }
    }
    const lists = Object.entries(entries).filter(([, list]) => list.length > 0)
    return { entries: Object.fromEntries(lists), unnamed, others: statements.length - affected.length }
  })
}

function listOf(id: string, sha256: string): 'rootDigests' | 'fileDigests' {
  return id === `${ROOT_DIGEST}${sha256}` ? 'rootDigests' : 'fileDigests'
}

/** In lowercase; undefined if it is not a digest of this length. */
function hexOf(text: string | undefined, length: number): string | undefined {
  const hex = text?.toLowerCase()
  return hex?.length === length && /^[0-9a-f]+$/.test(hex) ? hex : undefined
}
