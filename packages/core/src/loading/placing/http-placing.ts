import { join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { FileCopy } from '../../source/private/file-copy.ts'
import type { AllowedIsolation } from './isolation.ts'
import { modelClosed, type PlacedFiles } from './placed-files.ts'
import { PrivatePlaces, type PrivatePlace } from './private-places.ts'

/** Copies files of a model behind HTTP into a private directory, each checked as it arrives. */
export class HttpPlacing {
  readonly #allowed: AllowedIsolation
  readonly #fetch: (name: string, copy: FileCopy) => Promise<void>
  readonly #places: PrivatePlaces
  /** By the directory in which a file is, or is arriving, and by its name. */
  readonly #copies = new Map<string, Map<string, Promise<void>>>()
  #disposed = false

  /** @param fetch fills the copy, and refuses what is not as it was signed */
  constructor(allowed: AllowedIsolation, fetch: (name: string, copy: FileCopy) => Promise<void>) {
    this.#allowed = allowed
    this.#fetch = fetch
    this.#places = new PrivatePlaces('copies', (remedy) => allowed.placeHint(remedy))
  }

  get used(): 'copy'[] {
    return this.#places.used ? ['copy'] : []
  }

  /** Where files were put if not where they should have been, and why: sentences. */
  get notes(): string[] {
    return this.#places.notes
  }

  /** @throws {@link ModelSealError} `ISOLATION_REFUSED`, `COPY_FAILED`, `INVALID_ARGUMENT`, and what fetching throws */
  async place(names: readonly string[]): Promise<PlacedFiles> {
    this.#checkOpen()
    this.#allowed.checkPlacing()
    if (!this.#allowed.levels.includes('copy')) {
      throw new ModelSealError(
        'ISOLATION_REFUSED',
        'A model behind HTTP has no place on this machine to be loaded from.',
        {
          expected: 'copy',
          found: this.#allowed.levels.join(' or '),
          hint: 'Allow its files to be copied, or fetch the model first and load it by its path.',
        },
      )
    }
    const { directory, names: placed } = await this.#placeAll([...new Set(names)])
    return {
      directory,
      isolation: 'copy',
      path: (name) => {
        if (placed.has(name)) return join(directory, name)
        throw new ModelSealError('FILE_NOT_SIGNED', `The file ${shown(name)} was not placed.`, { file: name })
      },
    }
  }

  async dispose(): Promise<void> {
    this.#disposed = true
    await Promise.allSettled([...this.#copies.values()].flatMap((copies) => [...copies.values()]))
    await this.#places.remove()
  }

  /** All in one directory; where that turns out to be full, all in the next one. */
  async #placeAll(names: readonly string[]): Promise<PrivatePlace> {
    for (;;) {
      this.#checkOpen()
      const place = await this.#places.present()
      // What was disposed of while this waited is not made anew.
      this.#checkOpen()
      const results = await Promise.allSettled(names.map((name) => this.#placeIn(place, name)))
      const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
      if (failures.length === 0) return place
      const other = failures.find((failure) => !this.#places.leave(place, failure))
      if (other !== undefined) throw other as Error
    }
  }

  #placeIn(place: PrivatePlace, name: string): Promise<void> {
    const { directory, names } = place
    const copies = this.#copies.get(directory) ?? new Map<string, Promise<void>>()
    this.#copies.set(directory, copies)
    const placing =
      copies.get(name) ??
      this.#copy(name, join(directory, name)).then(
        () => void names.add(name),
        (error: unknown) => {
          copies.delete(name)
          throw error
        },
      )
    copies.set(name, placing)
    return placing
  }

  #checkOpen(): void {
    if (this.#disposed) throw modelClosed()
  }

  async #copy(name: string, path: string): Promise<void> {
    const copy = await FileCopy.create(path, name)
    try {
      await this.#fetch(name, copy)
      await copy.close()
    } catch (error) {
      await copy.discard()
      throw error
    }
  }
}
