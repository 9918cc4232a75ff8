import { join } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import { FileCopy } from '../source/file-copy.ts'
import { makePrivateDirectory, removePrivateDirectory } from '../source/private-directory.ts'
import type { AllowedIsolation } from './isolation.ts'
import type { PlacedFiles } from './placed-files.ts'

/** Copies files of a model behind HTTP into a private directory, each checked as it arrives. */
export class HttpPlacing {
  readonly #allowed: AllowedIsolation
  readonly #fetch: (name: string, copy: FileCopy) => Promise<void>
  readonly #placed = new Map<string, Promise<void>>()
  #directory: Promise<string> | undefined
  #disposed = false

  /** @param fetch fills the copy, and refuses what is not as it was signed */
  constructor(allowed: AllowedIsolation, fetch: (name: string, copy: FileCopy) => Promise<void>) {
    this.#allowed = allowed
    this.#fetch = fetch
  }

  get used(): 'copy'[] {
    return this.#placed.size > 0 ? ['copy'] : []
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
    const directory = await (this.#directory ??= makePrivateDirectory())
    // What was disposed of while this waited is not made anew.
    this.#checkOpen()
    const results = await Promise.allSettled(
      [...new Set(names)].map((name) => {
        const placing = this.#placed.get(name) ?? this.#copy(name, join(directory, name))
        this.#placed.set(name, placing)
        return placing
      }),
    )
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason as Error
    return {
      directory,
      isolation: 'copy',
      path: (name) => {
        if (this.#placed.has(name)) return join(directory, name)
        throw new ModelSealError('FILE_NOT_SIGNED', `The file ${shown(name)} was not placed.`, { file: name })
      },
    }
  }

  async dispose(): Promise<void> {
    this.#disposed = true
    await Promise.allSettled(this.#placed.values())
    const directory = await this.#directory?.catch(() => undefined)
    this.#directory = undefined
    if (directory !== undefined) await removePrivateDirectory(directory)
  }

  #checkOpen(): void {
    if (!this.#disposed) return
    throw new ModelSealError('INVALID_ARGUMENT', 'The model was closed; its files have no paths any more.', {
      hint: 'Load what the runtime is to have before the model is disposed of.',
    })
  }

  async #copy(name: string, path: string): Promise<void> {
    const copy = await FileCopy.create(path, name)
    try {
      await this.#fetch(name, copy)
      await copy.close()
    } catch (error) {
      await copy.discard()
      this.#placed.delete(name)
      throw error
    }
  }
}
