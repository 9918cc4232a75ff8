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
interface Fields {
  digest?: string
  fingerprint?: string
  serial?: string | undefined
  issuer?: TextPattern
  identity?: TextPattern
  purl?: string
  from?: string
  until?: string
  reason?: string
  severity?: string
}
type Entry = string | Fields

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
      const fields = fieldsOf(entry)
      return { list, name: `${list} ${kind.nameOf(fields)}`, description: kind.description(fields), entry }
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

/** An entry that is a text has the one field by which its list names what it denies. */
function fieldsOf(entry: Entry): Fields {
  return typeof entry === 'string' ? { digest: entry, fingerprint: entry, purl: entry } : entry
}

/** What is known about the entries of one list, whose schema demands the fields that it reads. */
interface EntryKind {
  nameOf(fields: Fields): string
  description(fields: Fields): string
}

const byDigest = (what: string): EntryKind => ({
  nameOf: ({ digest }: { digest: string }) => withAlgorithm(digest),
  description: ({ digest }: { digest: string }) => `${what} ${withAlgorithm(digest)}`,
})

type CertificateFields = { fingerprint: string; serial?: undefined } | { serial: string; issuer: string }
interface IdentityFields {
  identity: TextPattern
  issuer?: TextPattern
}

const KINDS: Readonly<Record<DeniedList, EntryKind>> = {
  rootDigests: byDigest('model'),
  fileDigests: byDigest('file'),
  keys: {
    nameOf: ({ fingerprint }: { fingerprint: string }) => plainHex(fingerprint),
    description: ({ fingerprint }: { fingerprint: string }) => `key sha256:${plainHex(fingerprint)}`,
  },
  certificates: {
    nameOf: (one: CertificateFields) =>
      one.serial === undefined ? plainHex(one.fingerprint) : serialName(one.serial, one.issuer),
    description: (one: CertificateFields) =>
      one.serial === undefined
        ? `certificate sha256:${plainHex(one.fingerprint)}`
        : `certificate with the serial number ${shown(one.serial)}, issued by ${shown(one.issuer)}`,
  },
  identities: {
    nameOf: ({ identity, issuer }: IdentityFields) => canonicalJson([identity, issuer ?? {}]),
    description: ({ identity, issuer }: IdentityFields) =>
      `signer ${pattern(identity)}${issuer === undefined ? '' : ` (${pattern(issuer)})`}`,
  },
  claims: byDigest('attestation'),
  packages: {
    nameOf: ({ purl }: { purl: string }) => JSON.stringify(packageName(purl)),
    description: ({ purl }: { purl: string }) => `package ${shown(canonicalPackageUrl(purl))}`,
  },
}

/** SHA-256 if there is none. */
function withAlgorithm(digest: string): string {
  return digest.includes(':') ? digest : `sha256:${digest}`
}

function pattern(text: TextPattern): string {
  if (typeof text === 'string') return shown(text)
  return 'pattern' in text ? `matching ${shown(text.pattern)}` : `matching the regular expression ${shown(text.regexp)}`
}

/** The period of an entry, as a text. */
export function periodOf({ entry }: ListedEntry): string {
  const { from, until } = fieldsOf(entry)
  return JSON.stringify([from, until])
}

/** The period, reason and severity of an entry, as one text. */
export function detailsOf({ entry }: ListedEntry): string {
  const { from, until, reason, severity } = fieldsOf(entry)
  return JSON.stringify([from, until, reason, severity])
}
