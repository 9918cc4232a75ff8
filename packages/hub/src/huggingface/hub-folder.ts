import { CLAIMS_NAME, filesAt } from '@modelseal/core/source'
import type {
  BundleCandidate,
  BundleGroup,
  ClaimsCandidate,
  ModelFiles,
  NamePattern,
  ReadRequest,
  Receive,
  SourceEntry,
} from '@modelseal/core/source'
import type { HubEntry } from './hub-listing.ts'
import type { HubRepository } from './hub-repository.ts'

export const BUNDLE = 'model.sig'
/** One more than are read, so that a load says if there are too many. */
const MAX_BUNDLES = 33

/** The files of a folder, by names relative to it. */
type FolderEntries = ReadonlyMap<string, HubEntry>

/** A folder of a repository at one commit; the repository itself if its name is empty. */
export class HubFolder {
  readonly name: string
  readonly #repository: HubRepository
  #entries: Promise<FolderEntries> | undefined

  /** @param listed its files, if they are known */
  constructor(repository: HubRepository, name: string, listed?: readonly HubEntry[]) {
    this.#repository = repository
    this.name = name
    this.#entries = listed && Promise.resolve(byName(listed))
  }

  /** Its name in messages and verdicts. */
  get place(): string {
    return this.#repository.placeOf(this.name)
  }

  /** Listed once, when they are first needed. */
  entries(): Promise<FolderEntries> {
    this.#entries ??= this.#repository.list(this.name, true).then((entries = []) => byName(entries))
    return this.#entries
  }

  files(): ModelFiles {
    const path = `${this.#repository.name}/${this.name}`
    return {
      path: this.place,
      name: path.split('/').findLast((part) => part !== '') ?? path,
      isFile: false,
      read: (request, receive) => this.read(request, receive),
      list: () => this.#list(),
      onDisk: (names) => this.#onDisk(names),
    }
  }

  async read({ name, ...request }: ReadRequest, receive: Receive): Promise<void> {
    const entry = (await this.#entries)?.get(name)
    await this.#repository.read({ ...request, path: this.#pathOf(name), what: 'file', entry }, receive)
  }

  /** `model.sig`, or the names of the rule. */
  async group(names: readonly NamePattern[] | undefined): Promise<BundleGroup> {
    const isBundle = names
      ? (name: string) => names.some((pattern) => pattern.matches(name))
      : (name: string) => name === BUNDLE
    return {
      candidates: await this.candidates((await this.#names()).filter(isBundle)),
      looked: names ? [] : [`${this.place}/${BUNDLE}`],
    }
  }

  async candidates(names: readonly string[]): Promise<BundleCandidate[]> {
    const entries = await this.entries()
    return [...names]
      .sort()
      .slice(0, MAX_BUNDLES)
      .map((name) => this.#repository.bundle(this.#pathOf(name), entries.get(name)))
  }

  /** The file of attestations, if it is there. */
  async claims(name = CLAIMS_NAME): Promise<ClaimsCandidate[]> {
    const entry = (await this.entries()).get(name)
    if (!entry) return []
    const found = this.#repository.bundle(this.#pathOf(name), entry, 'file of attestations')
    // A file of another name belongs to a model that is a single file.
    return [{ ...found, lines: true, name: name === CLAIMS_NAME ? name : undefined }]
  }

  /** A folder of this one. */
  async inside(folder: string): Promise<HubFolder> {
    const prefix = `${folder}/`
    const below = [...(await this.entries()).values()].filter(({ name }) => name.startsWith(prefix))
    return new HubFolder(
      this.#repository,
      this.#pathOf(folder),
      below.map((entry) => ({ ...entry, name: entry.name.slice(prefix.length) })),
    )
  }

  async #names(): Promise<string[]> {
    return [...(await this.entries()).keys()]
  }

  /** Where the cache has all of these files. */
  async #onDisk(names: readonly string[]): Promise<ModelFiles | undefined> {
    const listed = await this.entries()
    const entries = names.flatMap((name) => {
      const entry = listed.get(name)
      return entry ? { ...entry, name: this.#pathOf(name) } : []
    })
    const path = entries.length === names.length ? await this.#repository.snapshot(this.name, entries) : undefined
    return path === undefined ? undefined : filesAt(path)
  }

  async *#list(): AsyncGenerator<SourceEntry> {
    yield* (await this.entries()).values()
  }

  #pathOf(name: string): string {
    return this.name === '' ? name : `${this.name}/${name}`
  }
}

function byName(entries: readonly HubEntry[]): FolderEntries {
  return new Map(entries.map((entry) => [entry.name, entry]))
}
