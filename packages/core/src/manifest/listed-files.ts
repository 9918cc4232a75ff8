/** The entry of one file in the manifest. */
export interface ListedFile {
  name: string
  /** For `files`, one digest; for `shards`, one for each shard in order. */
  digests: readonly string[]
  /** Size in bytes; known for `shards` only. */
  size?: number
}

/**
 * The files of a manifest by name, in the order of the manifest. An entry is created only when it is requested, because
 * a manifest can have many files of which few are needed.
 */
export class ListedFiles implements ReadonlyMap<string, ListedFile> {
  readonly #places = new Map<string, number>()
  readonly #fileAt: (place: number) => ListedFile

  /**
   * @param files with distinct names
   * @param fileAt creates the entry at a position, counted from 0
   */
  constructor(files: readonly { name: string }[], fileAt: (place: number) => ListedFile) {
    for (const { name } of files) this.#places.set(name, this.#places.size)
    this.#fileAt = fileAt
  }

  get size(): number {
    return this.#places.size
  }

  has(name: string): boolean {
    return this.#places.has(name)
  }

  /** The position of a file, counted from 0. */
  placeOf(name: string): number | undefined {
    return this.#places.get(name)
  }

  get(name: string): ListedFile | undefined {
    const place = this.#places.get(name)
    return place === undefined ? undefined : this.#fileAt(place)
  }

  keys(): MapIterator<string> {
    return this.#places.keys()
  }

  *values(): MapIterator<ListedFile> {
    for (const place of this.#places.values()) yield this.#fileAt(place)
  }

  *entries(): MapIterator<[string, ListedFile]> {
    for (const [name, place] of this.#places) yield [name, this.#fileAt(place)]
  }

  [Symbol.iterator](): MapIterator<[string, ListedFile]> {
    return this.entries()
  }

  forEach(callback: (file: ListedFile, name: string, files: ReadonlyMap<string, ListedFile>) => void): void {
    for (const [name, file] of this) callback(file, name, this)
  }
}
