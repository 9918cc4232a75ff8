import { kindOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { partFault, type HttpBody, type Range } from '@modelseal/core/http'
import type { BundleCandidate, Receive } from '@modelseal/core/source'
import type { CachedFile } from '../cache/blob-store.ts'
import { CachedFiles, type CacheRequest } from '../cache/cached-files.ts'
import { RepositoryCache } from './cache/repository-cache.ts'
import type { HubClient } from './hub-client.ts'
import { listFolder, type HubEntry } from './hub-listing.ts'
import type { HubLocation } from './hub-location.ts'
import type { HubSettings } from './hub-settings.ts'

/** What a load asks of a repository. */
interface RepositoryLoad {
  readonly settings: HubSettings
  readonly signal: AbortSignal | undefined
}

/** A file to read. */
interface HubFile extends CacheRequest {
  /** Relative to the repository, with `/` between components. */
  readonly path: string
  readonly what: string
  /** What the hub lists. */
  readonly entry?: HubEntry | undefined
  readonly signal: AbortSignal
}

/** Git's identifiers: SHA-1, or SHA-256. */
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

/** A repository at one commit. Whatever the branch becomes, all is read at this commit. */
export class HubRepository {
  readonly commit: string
  readonly #client: HubClient
  readonly #location: HubLocation
  readonly #endpoint: URL
  readonly #cache: RepositoryCache | undefined
  readonly #cached: CachedFiles | undefined

  /**
   * Resolves the revision to a commit.
   *
   * @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `SOURCE_FAILED`, and what the client throws
   */
  static async at(client: HubClient, location: HubLocation, load: RepositoryLoad): Promise<HubRepository> {
    const { endpoint } = load.settings
    const { kind, repository, revision, url: place } = location
    const url = below(endpoint, `/api/${kind}/${repository}/revision/${encodeURIComponent(revision)}`)
    const answer = await client.json({ url, what: 'revision of the model' })
    if (!answer) {
      throw new ModelSealError('MODEL_NOT_FOUND', `Cannot load the model ${shown(place)}: the hub has no such model.`, {
        file: place,
        hint: 'Check the URL, and HF_ENDPOINT if it is set.',
      })
    }
    const { sha, id } = (answer.json ?? {}) as { sha?: unknown; id?: unknown }
    if (id !== undefined && id !== repository) throw otherName(location, id)
    const isAsked = !COMMIT.test(revision) || sha === revision
    if (typeof sha === 'string' && COMMIT.test(sha) && isAsked)
      return new HubRepository(client, location, { ...load, sha })
    throw new ModelSealError(
      'SOURCE_FAILED',
      `Cannot load the model ${shown(place)}: the hub does not say which commit it is at.`,
      {
        file: place,
        expected: isAsked ? 'a commit' : revision,
        found: typeof sha === 'string' ? shown(sha) : 'none',
        hint: 'Check HF_ENDPOINT if it is set.',
      },
    )
  }

  private constructor(client: HubClient, location: HubLocation, at: RepositoryLoad & { sha: string }) {
    const { settings, signal, sha } = at
    this.#client = client
    this.#location = location
    this.#endpoint = settings.endpoint
    this.commit = sha
    this.#cache = settings.isCaching ? new RepositoryCache(settings.cache, location, sha) : undefined
    this.#cached = this.#cache && new CachedFiles(this.#cache, signal)
  }

  /** `ORG/NAME`. */
  get name(): string {
    return this.#location.repository
  }

  /** The name of a folder or file in messages and verdicts. */
  placeOf(folder: string): string {
    const { url } = this.#location
    return folder === '' ? url : `${url}/${folder}`
  }

  /**
   * The files of a folder, by names relative to it.
   *
   * @param deep with those of all folders in it
   * @returns undefined if there is no such folder
   */
  async list(folder: string, deep: boolean): Promise<HubEntry[] | undefined> {
    const { kind, repository } = this.#location
    const path = folder === '' ? '' : `/${encodedPath(folder)}`
    const tree = below(this.#endpoint, `/api/${kind}/${repository}/tree/${this.commit}${path}`)
    tree.search = deep ? '?recursive=true' : ''
    return listFolder(this.#client, { tree, folder, place: this.placeOf(folder) })
  }

  /** A bundle, or file of bundles, that may exist. */
  bundle(path: string, entry?: HubEntry, what = 'signature bundle'): BundleCandidate {
    return {
      path: this.placeOf(path),
      read: async ({ signal }, receive) => {
        const request = { path, what, signal }
        const file = cachedFile(path, entry)
        const fetch = (_: Range | undefined, take: Receive) => this.#fetch(request, take)
        await (this.#cached && file ? this.#cached.readBundle(file, fetch, receive) : fetch(undefined, receive))
      },
    }
  }

  /**
   * Where the cache has all these files; undefined if it has not.
   *
   * @param folder relative to the repository
   * @param entries of the folder, by names relative to the repository
   */
  async snapshot(folder: string, entries: readonly HubEntry[]): Promise<string | undefined> {
    const files = entries.flatMap((entry) => cachedFile(entry.name, entry) ?? [])
    return files.length === entries.length ? this.#cache?.snapshot(folder, files) : undefined
  }

  /**
   * Reads a file.
   *
   * @throws {@link ModelSealError} `HTTP_RESPONSE` if the hub sends it at another commit, or another part, and what the
   * client throws
   */
  async read(request: HubFile, receive: Receive): Promise<void> {
    const file = cachedFile(request.path, request.entry)
    if (!this.#cached || !file) return this.#fetch(request, receive)
    await this.#cached.read(file, request, (range, take) => this.#fetch({ ...request, range }, take), receive)
  }

  /** Waits for reads that are running, and for what they add to the cache. */
  async settled(): Promise<void> {
    await this.#cached?.settled()
  }

  async #fetch({ path, what, entry, range, signal }: HubFile, receive: Receive): Promise<void> {
    const size = entry?.size
    const { kind, repository } = this.#location
    const prefix = kind === 'datasets' ? '/datasets' : ''
    const own = below(this.#endpoint, `${prefix}/${repository}/resolve/${this.commit}/${encodedPath(path)}`)
    await this.#client.downloads.read(
      { what: `${what} ${shown(path)}`, size, range, reuses: true, signal },
      ({ from, ...part }, take) =>
        this.#client.get({ ...part, what, url: from === undefined ? own : new URL(from) }, (body) => {
          this.#check(path, { size, range: part.range }, body)
          return take(body)
        }),
      receive,
    )
  }

  #check(path: string, asked: { size: number | undefined; range: Range | undefined }, body: HttpBody): void {
    const commit = body.headers.get('x-repo-commit') ?? this.commit
    if (commit !== this.commit) throw unexpected(path, this.commit, commit)
    const fault = partFault(asked, body)
    if (fault) throw unexpected(path, fault.expected, fault.found)
  }
}

/** How the cache knows a file; undefined if the hub does not state its digest and size. */
function cachedFile(path: string, entry: HubEntry | undefined): CachedFile | undefined {
  const { blob, size } = entry ?? {}
  return blob === undefined || size === undefined ? undefined : { path, blob, size }
}

/**
 * Hubs answer for other spellings and for former names of a repository. A rule for its name must not be avoided by one
 * of them.
 */
function otherName({ kind, url: place }: HubLocation, id: unknown): ModelSealError {
  const name = typeof id === 'string' ? `hf://${kind === 'datasets' ? 'datasets/' : ''}${id}` : undefined
  return new ModelSealError(
    'MODEL_NOT_FOUND',
    `Cannot load the model ${shown(place)}: the hub lists it under another name.`,
    {
      file: place,
      expected: shown(place),
      found: name === undefined ? kindOf(id) : shown(name),
      hint: 'Use that name, and check which rule of the policy covers that name.',
    },
  )
}

/** The endpoint may have a path. */
function below(endpoint: URL, path: string): URL {
  const url = new URL(endpoint)
  url.pathname = endpoint.pathname.replace(/\/$/, '') + path
  return url
}

/** @throws {@link ModelSealError} `SOURCE_LISTING` for a name that a URL would not keep */
function encodedPath(path: string): string {
  const components = path.split('/')
  const isKept = path.isWellFormed() && components.every((component) => !/^\.{0,2}$/.test(component))
  if (isKept) return components.map(encodeURIComponent).join('/')
  throw new ModelSealError('SOURCE_LISTING', `Cannot read the file ${shown(path)}: its name is not a path.`, {
    file: path,
  })
}

function unexpected(file: string, expected: string, found: string): ModelSealError {
  return new ModelSealError(
    'HTTP_RESPONSE',
    `Cannot fetch the file ${shown(file)}: the hub sent an unexpected response.`,
    {
      file,
      expected: shown(expected),
      found: shown(found),
      hint: 'Check HF_ENDPOINT if it is set, and try again.',
    },
  )
}
