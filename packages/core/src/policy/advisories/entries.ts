import { shown } from '../../errors.ts'
import { plainHex } from '../revocations/fingerprint.ts'
import { canonicalPackageUrl, packageName } from '../revocations/package-url.ts'
import { serialName } from '../revocations/revocation-list.ts'
import type { TextPattern } from '../schema/text.ts'
import { withLibraries } from '../when-needed.ts'
import { canonicalJson } from '../../schema/canonical-json.ts'
import { givenDenied } from './feed-entries.ts'
import { DENIED_LISTS, type Denied, type DeniedList } from './feed-schema.ts'

/** The fields of an entry, whatever its list. */
type Entry = string | Fields
interface Fields {
  digest?: string
  fingerprint?: string
  serial?: string
  issuer?: TextPattern
  identity?: TextPattern
  purl?: string
  from?: string
  until?: string
  reason?: string
  severity?: string
}

/** An entry of a feed, and the list that it is in. */
export interface ListedEntry {
  list: DeniedList
  /** The same for entries that deny the same. */
  name: string
  /** What it denies, for people. */
  description: string
  entry: Entry
}

/**
 * The entries of all lists.
 *
 * @throws {@link LibraryNeeded}, so call it in `withLibraries()`
 */
export function listedEntries(denied: Denied): ListedEntry[] {
  return DENIED_LISTS.flatMap((list) =>
    ((denied[list] ?? []) as readonly Entry[]).map((entry) => {
      const kind = KINDS[list]
      return { list, name: `${list} ${kind.nameOf(entry)}`, description: kind.description(entry), entry }
    }),
  )
}

/**
 * The entries of all lists of a feed, with a description of each for people.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if it is not a feed
 * @example
 * ```ts
 * const { feed } = await inspectFeed('advisories.jsonl')
 * for (const { description } of await feedEntries(feed)) console.log(description)
 * ```
 */
export async function feedEntries(feed: { denied: Denied }): Promise<ListedEntry[]> {
  const denied = await givenDenied(feed, 'feedEntries')
  return listEntries(denied)
}

/** Like {@link feedEntries}, for lists that were checked. */
export function listEntries(denied: Denied): Promise<ListedEntry[]> {
  return withLibraries(() => listedEntries(denied))
}

/** What is known about the entries of one list. */
interface EntryKind {
  nameOf(entry: Entry): string
  description(entry: Entry): string
}

const byDigest = (what: string): EntryKind => ({
  nameOf: (entry) => withAlgorithm(textIn(entry, 'digest')),
  description: (entry) => `${what} ${withAlgorithm(textIn(entry, 'digest'))}`,
})

const KINDS: Readonly<Record<DeniedList, EntryKind>> = {
  rootDigests: byDigest('model'),
  fileDigests: byDigest('file'),
  keys: {
    nameOf: (entry) => plainHex(textIn(entry, 'fingerprint')),
    description: (entry) => `key sha256:${plainHex(textIn(entry, 'fingerprint'))}`,
  },
  certificates: {
    nameOf: (entry) =>
      isSerial(entry) ? serialName(entry.serial, entry.issuer) : plainHex(textIn(entry, 'fingerprint')),
    description: (entry) =>
      isSerial(entry)
        ? `certificate with the serial number ${shown(entry.serial)}, issued by ${shown(entry.issuer)}`
        : `certificate sha256:${plainHex(textIn(entry, 'fingerprint'))}`,
  },
  identities: {
    nameOf: (entry) => (typeof entry === 'string' ? entry : canonicalJson([entry.identity, entry.issuer ?? {}])),
    description: (entry) => (typeof entry === 'string' ? entry : `signer ${identityWords(entry)}`),
  },
  claims: byDigest('attestation'),
  packages: {
    nameOf: (entry) => JSON.stringify(packageName(textIn(entry, 'purl'))),
    description: (entry) => `package ${shown(canonicalPackageUrl(textIn(entry, 'purl')))}`,
  },
}

function textIn(entry: Entry, field: 'digest' | 'fingerprint' | 'purl'): string {
  return typeof entry === 'string' ? entry : (entry[field] ?? '')
}

/** SHA-256 if there is none. */
function withAlgorithm(digest: string): string {
  return digest.includes(':') ? digest : `sha256:${digest}`
}

function isSerial(entry: Entry): entry is { serial: string; issuer: string } {
  return typeof entry !== 'string' && entry.serial !== undefined
}

function identityWords({ identity = '', issuer }: Fields): string {
  return issuer === undefined ? pattern(identity) : `${pattern(identity)} (${pattern(issuer)})`
}

function pattern(text: TextPattern): string {
  if (typeof text === 'string') return shown(text)
  return 'pattern' in text ? `matching ${shown(text.pattern)}` : `matching the regular expression ${shown(text.regexp)}`
}

/** The period, reason and severity of an entry, as one text. */
export function detailsOf(one: ListedEntry | undefined): string {
  const { from, until, reason, severity } = typeof one?.entry === 'object' ? one.entry : {}
  return JSON.stringify([from, until, reason, severity])
}
