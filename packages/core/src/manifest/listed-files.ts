/** What the manifest says of one file. */
export interface ListedFile {
  name: string
  /** One digest for `files`; one for each shard, in order, for `shards`. */
  digests: readonly string[]
  /** Bytes; known for `shards` only. */
  size?: number
}

/**
 * The files of a manifest by their names, in its order. There are many, of which few are asked for: so what is
 * said of one may be put together when it is.
 */
export class ListedFiles implements ReadonlyMap<string, ListedFile> {
  readonly #places = new Map<string, number>()
  readonly #fileAt: (place: number) => ListedFile

  /**
   * @param files by name, each once
   * @param fileAt gives that of a place, counted from 0
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

  /** The number of a file among all, from 0. */
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
