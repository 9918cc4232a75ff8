import { ModelSealError, shown } from '@modelseal/core/errors'
import type { SourceEntry } from '@modelseal/core/source'
import { foldedName } from '@modelseal/core/http'
import type { HubClient } from './hub-client.ts'

/** A thousand entries a page, so a million in all. No model has as many files. */
const MAX_PAGES = 1_000
const MAX_ENTRIES = 1_000_000
/** For all pages together, in seconds. */
const MAX_SECONDS = 600
/** All names together. */
const MAX_NAME_BYTES = 256 * 1024 * 1024

/** SHA-256, or Git's SHA-1 of a small file. */
const BLOB = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

/** A file that the hub lists. */
export interface HubEntry extends SourceEntry {
  /** The name of its content in caches, which is also its `ETag`: what the hub states as its digest. */
  readonly blob?: string | undefined
}

/** A folder of a repository at one commit. */
interface HubFolder {
  /** Address of its listing (`/api/…/tree/COMMIT/FOLDER`), with a query. */
  readonly tree: URL
  /** Relative to the repository. */
  readonly folder: string
  /** In messages. */
  readonly place: string
}

/**
 * Lists the files of a folder, by names relative to it. The hub states the SHA-256 of files in large file storage.
 *
 * @returns undefined if there is no such folder
 * @throws {@link ModelSealError} `SOURCE_LISTING` for an endless, repeated or malformed listing, and what the client throws
 */
export async function listFolder(client: HubClient, at: HubFolder): Promise<HubEntry[] | undefined> {
  const names = new Names(at)
  const entries: HubEntry[] = []
  const end = process.uptime() + MAX_SECONDS
  let url: URL | undefined = at.tree
  for (let page = 1; url; page += 1) {
    if (page > MAX_PAGES) throw unusable(at, `more than ${MAX_PAGES} pages`)
    if (process.uptime() > end) throw unusable(at, `its files for more than ${MAX_SECONDS} seconds`)
    const answer = await client.json({ url, what: 'listing' })
    if (!answer) return page === 1 ? undefined : malformed(at, 'a page that does not exist')
    if (!Array.isArray(answer.json)) return malformed(at, 'a page that is not an array')
    for (const given of answer.json as unknown[]) {
      const entry = entryOf(given, at)
      if (!entry) continue
      names.add(entry.name)
      if (entries.push(entry) > MAX_ENTRIES) throw unusable(at, `more than ${MAX_ENTRIES} files`)
    }
    url = nextPage(answer.headers.get('link'), url, at)
  }
  return entries
}

/** Undefined for directories, and for what is not a file. */
function entryOf(given: unknown, at: HubFolder): HubEntry | undefined {
  const {
    type,
    path,
    size,
    lfs,
    oid: own,
  } = (typeof given === 'object' && given !== null ? given : {}) as Record<string, unknown>
  if (typeof type !== 'string' || typeof path !== 'string') return malformed(at, 'an entry without a type or a path')
  if (type !== 'file') return undefined
  const { oid } = (typeof lfs === 'object' && lfs !== null ? lfs : {}) as { oid?: unknown }
  return {
    name: nameIn(at, path),
    size: typeof size === 'number' ? size : undefined,
    // The identifier in large file storage is the SHA-256 of the content. That of git is not.
    sha256: typeof oid === 'string' ? oid : undefined,
    blob: [oid, own].find((id) => typeof id === 'string' && BLOB.test(id)) as string | undefined,
  }
}

function nameIn(at: HubFolder, path: string): string {
  if (at.folder === '') return path
  if (path.startsWith(`${at.folder}/`)) return path.slice(at.folder.length + 1)
  throw unusable(at, 'a file outside the requested folder', path)
}

/** Names that were listed. */
class Names {
  readonly #at: HubFolder
  readonly #seen = new Set<string>()
  #bytes = 0

  constructor(at: HubFolder) {
    this.#at = at
  }

  add(name: string): void {
    const folded = foldedName(name)
    if (this.#seen.has(folded)) throw unusable(this.#at, 'a name twice, or in two spellings', name)
    this.#seen.add(folded)
    this.#bytes += name.length
    if (this.#bytes > MAX_NAME_BYTES) throw unusable(this.#at, 'names that are too long')
  }
}

/** `Link: <URL>; rel="next"` (RFC 8288). Pages elsewhere are not followed. */
function nextPage(link: string | null, from: URL, at: HubFolder): URL | undefined {
  const target = /(?:^|,)\s*<([^<>]*)>\s*;[^<]*\brel="?next"?(?:[\s;,]|$)/i.exec(link ?? '')?.[1]
  if (target === undefined) return undefined
  const url = URL.parse(target, from.href)
  if (url?.origin === from.origin && url.pathname === from.pathname && url.href !== from.href) return url
  return malformed(at, 'a next page elsewhere')
}

function malformed(at: HubFolder, found: string): never {
  throw unusable(at, found)
}

function unusable({ place }: HubFolder, found: string, file = place): ModelSealError {
  return new ModelSealError('SOURCE_LISTING', `Cannot load the model ${shown(place)}: the hub lists ${found}.`, {
    file,
    hint: 'Do not load this copy. Check HF_ENDPOINT if it is set, and ask the owner of the repository.',
  })
}
