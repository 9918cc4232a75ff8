import { resolve } from 'node:path'
import { ModelSealError } from '../../errors.ts'
import { fileState } from '../reading/file-state.ts'
import type { ValuePath } from '../reading/policy-text.ts'
import type { Reading, SourceText } from '../reading/reading.ts'
import type { Revocations } from '../revocations/revocations.ts'

/** Reads the files that a trust root names. A fault in one is a problem at its position, with the code of the original error. */
export class RootFiles {
  readonly revocations: Revocations
  readonly #source: SourceText
  readonly #at: ValuePath
  readonly #reading: Reading

  /** @param at path of the root in the policy */
  constructor(source: SourceText, at: ValuePath, revocations: Revocations, reading: Reading) {
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
    read: (path: string) => Promise<readonly T[]>,
  ): Promise<T[]> {
    const found: T[] = []
    for (const [index, file] of [files].flat().entries()) {
      const path = this.path(file)
      found.push(...((await this.one([...at, index], path, () => read(path))) ?? []))
    }
    return found
  }

  /** The content of one file; undefined if it cannot be read. */
  async one<T>(at: ValuePath, path: string | undefined, read: () => Promise<T>): Promise<T | undefined> {
    if (path !== undefined) await this.track(path)
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      this.#reading.problems.push(this.#source.text.faultFrom([...this.#at, ...at], error))
      return undefined
    }
  }

  /** Records that the policy depends on a file: a change of the file is a change of the policy. */
  async track(path: string): Promise<void> {
    this.#reading.files.set(path, await fileState(path))
  }
}
