import { ModelSealError, shown } from '@modelseal/core/errors'
import type {
  BundleCandidate,
  BundleGroup,
  ModelFiles,
  NamePattern,
  ReadRequest,
  Receive,
  SourceEntry,
  SourceSession,
  SourceTimeouts,
} from '@modelseal/core/source'
import { exactly } from './exactly.ts'
import type { HubClient } from './hub-client.ts'
import { DEFAULT_REVISION, hubLocation, type HubLocation } from './hub-location.ts'
import type { HubRepository } from './hub-repository.ts'

const BUNDLE = 'model.sig'
/** One more than are read, so that a load says if there are too many. */
const MAX_BUNDLES = 33

/** One load of a model from the hub. */
export class HubSession implements SourceSession {
  readonly revision: string
  readonly requested: string
  /** The client enforces its own. */
  readonly timeouts: SourceTimeouts = { idle: Infinity, total: Infinity }
  readonly #repository: HubRepository
  readonly #location: HubLocation
  readonly #client: HubClient
  /** The files of the requested folder by name, once they were listed. */
  #listed: Promise<ReadonlyMap<string, SourceEntry>> | undefined

  constructor(repository: HubRepository, location: HubLocation, client: HubClient) {
    this.revision = repository.commit
    this.requested = location.revision
    this.#repository = repository
    this.#location = location
    this.#client = client
  }

  model(): ModelFiles {
    const { folder, repository } = this.#location
    return {
      path: this.#repository.placeOf(folder),
      name: `${repository}/${folder}`.split('/').findLast((part) => part !== '') ?? repository,
      isFile: false,
      read: (request, receive) => this.#read(request, receive),
      list: () => this.#list(),
    }
  }

  /** `model.sig`, or the names of the rule: in the requested folder, else in the repository. */
  async *bundles(names?: readonly NamePattern[]): AsyncGenerator<BundleGroup> {
    const { folder } = this.#location
    const files = await this.#files()
    yield { ...this.#group(folder, files.keys(), names), nested: names ? undefined : this.#nested(files) }
    // A bundle with another usual name in the folder itself comes before those of the repository.
    if (folder === '' || (!names && [...files.keys()].some((name) => /^[^/]+\.oms\.sig$/.test(name)))) return
    const beside = await this.#repository.list('', false)
    yield this.#group(
      '',
      beside.map(({ name }) => name),
      names,
    )
  }

  /**
   * A file of the same repository, at the commit of the model.
   *
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` if it is in another repository, or at another revision
   */
  bundleAt(signature: string): BundleCandidate | undefined {
    if (!/^hf:\/\//i.test(signature)) return undefined
    const { url, folder: path, revision } = hubLocation(signature)
    const known = [DEFAULT_REVISION, this.requested, this.revision]
    if (url === this.#location.url && path !== '' && known.includes(revision)) return this.#candidate('', path)
    throw new ModelSealError('INVALID_ARGUMENT', 'Invalid value for option "signature".', {
      expected: `a path, or a file of ${shown(this.#location.url)} at the revision of the model`,
      found: shown(signature),
      hint: 'Fetch the bundle, and give its path.',
    })
  }

  close(): Promise<void> {
    return this.#client.stop()
  }

  #files(): Promise<ReadonlyMap<string, SourceEntry>> {
    this.#listed ??= this.#repository
      .list(this.#location.folder, true)
      .then((entries) => new Map(entries.map((entry) => [entry.name, entry])))
    return this.#listed
  }

  async *#list(): AsyncGenerator<SourceEntry> {
    yield* (await this.#files()).values()
  }

  async #read({ name, range, signal }: ReadRequest, receive: Receive): Promise<void> {
    const { folder } = this.#location
    const entry = (await this.#listed)?.get(name)
    const size = range ? range.end - range.start : entry?.size
    const path = folder === '' ? name : `${folder}/${name}`
    await this.#repository.read({ path, what: 'file', range, signal }, ({ length, chunks }) =>
      receive({ size: length, chunks: exactly({ name, size, length }, chunks) }),
    )
  }

  #group(folder: string, files: Iterable<string>, names: readonly NamePattern[] | undefined): BundleGroup {
    const place = this.#repository.placeOf(folder)
    const isBundle = (name: string) => (names ? names.some((pattern) => pattern.matches(name)) : name === BUNDLE)
    const found = [...files].filter(isBundle).sort().slice(0, MAX_BUNDLES)
    return {
      candidates: found.map((name) => this.#candidate(folder, name)),
      looked: names ? [] : [`${place}/${BUNDLE}`],
    }
  }

  #candidate(folder: string, name: string): BundleCandidate {
    const path = folder === '' ? name : `${folder}/${name}`
    return {
      path: `${this.#repository.placeOf(folder)}/${name}`,
      read: ({ signal }, receive) =>
        this.#repository.read({ path, what: 'signature bundle', signal }, ({ length, chunks }) =>
          receive({ size: length, chunks }),
        ),
    }
  }

  /** The only folder inside with a bundle: repositories often have several models. */
  #nested(files: ReadonlyMap<string, SourceEntry>): string | undefined {
    const folders = [...files.keys()].flatMap((name) => /^([^/]+)\/model\.sig$/.exec(name)?.[1] ?? [])
    const [only] = folders
    return folders.length === 1 && only !== undefined
      ? `${this.#repository.placeOf(this.#location.folder)}/${only}`
      : undefined
  }
}
