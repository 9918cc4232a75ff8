import type {
  BundleCandidate,
  BundleGroup,
  ModelFiles,
  NamePattern,
  ReadRequest,
  Receive,
  SourceEntry,
} from '@modelseal/core/source'
import type { HubRepository } from './hub-repository.ts'

export const BUNDLE = 'model.sig'
/** One more than are read, so that a load says if there are too many. */
const MAX_BUNDLES = 33

/** The files of a folder, by names relative to it. */
type FolderEntries = ReadonlyMap<string, SourceEntry>

/** A folder of a repository at one commit; the repository itself if its name is empty. */
export class HubFolder {
  readonly name: string
  readonly #repository: HubRepository
  #entries: Promise<FolderEntries> | undefined

  /** @param listed its files, if they are known */
  constructor(repository: HubRepository, name: string, listed?: readonly SourceEntry[]) {
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
    }
  }

  async read({ name, range, signal }: ReadRequest, receive: Receive): Promise<void> {
    const entry = (await this.#entries)?.get(name)
    const file = { path: this.#pathOf(name), what: 'file', size: entry?.size, range, signal }
    await this.#repository.read(file, receive)
  }

  /** `model.sig`, or the names of the rule. */
  async group(names: readonly NamePattern[] | undefined): Promise<BundleGroup> {
    const isBundle = names
      ? (name: string) => names.some((pattern) => pattern.matches(name))
      : (name: string) => name === BUNDLE
    return {
      candidates: this.candidates((await this.#names()).filter(isBundle)),
      looked: names ? [] : [`${this.place}/${BUNDLE}`],
    }
  }

  candidates(names: readonly string[]): BundleCandidate[] {
    return [...names]
      .sort()
      .slice(0, MAX_BUNDLES)
      .map((name) => this.#repository.bundle(this.#pathOf(name)))
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

  async *#list(): AsyncGenerator<SourceEntry> {
    yield* (await this.entries()).values()
  }

  #pathOf(name: string): string {
    return this.name === '' ? name : `${this.name}/${name}`
  }
}

function byName(entries: readonly SourceEntry[]): FolderEntries {
  return new Map(entries.map((entry) => [entry.name, entry]))
}
