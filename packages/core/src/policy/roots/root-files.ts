import { resolve } from 'node:path'
import { ModelSealError } from '../../errors.ts'
import type { ReadFile } from '../../source/read-small-file.ts'
import type { ValuePath } from '../reading/policy-text.ts'
import type { TrackedFiles, SourceText } from '../reading/reading.ts'
import type { Revocations } from '../revocations/revocations.ts'

/** Reads the files that a trust root names. A fault in one is a problem at its position, with the code of the original error. */
export class RootFiles {
  readonly revocations: Revocations
  readonly #source: SourceText
  readonly #at: ValuePath
  readonly #reading: TrackedFiles

  /** @param at path of the root in the policy */
  constructor(source: SourceText, at: ValuePath, revocations: Revocations, reading: TrackedFiles) {
    this.revocations = revocations
    this.#source = source
    this.#at = at
    this.#reading = reading
  }

  /** Absolute path of a file that the root names. */
  path(file: string): string {
    return resolve(this.#source.directory, file)
  }

  /** The content of several files, without those that cannot be read. */
  async all<T>(
    at: ValuePath,
    files: string | readonly string[],
    read: (path: string, readFile: ReadFile) => Promise<readonly T[]>,
  ): Promise<T[]> {
    const found: T[] = []
    for (const [index, file] of [files].flat().entries()) {
      const path = this.path(file)
      found.push(...((await this.one([...at, index], path, (readFile) => read(path, readFile))) ?? []))
    }
    return found
  }

  /** The content of one file; undefined if it cannot be read. */
  async one<T>(
    at: ValuePath,
    path: string | undefined,
    read: (readFile: ReadFile) => Promise<T>,
  ): Promise<T | undefined> {
    if (path !== undefined) await this.track(path)
    try {
      return await read(this.#reading.file)
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      this.#reading.problems.push(this.#source.text.faultFrom([...this.#at, ...at], error))
      return undefined
    }
  }

  /**
   * Something that bundles need: prepared when the first of them needs it if the policy is read for one load, otherwise
   * now. A fault is then a problem of the policy, or else the error for the bundle, with the same position.
   *
   * @param prepare called again after a failure
   */
  async whenNeeded<T>(at: ValuePath, prepare: () => Promise<T>): Promise<() => Promise<T>> {
    let prepared: Promise<T> | undefined
    const get = () =>
      (prepared ??= prepare().catch((error: unknown) => {
        prepared = undefined
        throw error
      }))
    if (!this.isForOneLoad) await this.one(at, undefined, get)
    return () =>
      get().catch((error: unknown) => {
        throw error instanceof ModelSealError ? this.#source.text.faultFrom([...this.#at, ...at], error) : error
      })
  }

  /** Reads another file of the policy. */
  get read(): ReadFile {
    return this.#reading.file
  }

  /** See `CompileOptions`. */
  get isForOneLoad(): boolean {
    return this.#reading.isForOneLoad
  }

  /** See {@link TrackedFiles.track}. */
  async track(path: string): Promise<void> {
    await this.#reading.track(path)
  }
}
