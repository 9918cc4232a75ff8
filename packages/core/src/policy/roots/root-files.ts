import { resolve } from 'node:path'
import { ModelSealError } from '../../errors.ts'
import { fileState } from '../reading/file-state.ts'
import type { ValuePath } from '../reading/policy-text.ts'
import type { Reading, SourceText } from '../reading/reading.ts'
import type { Revocations } from '../revocations/revocations.ts'

/** Reads the files that a trust root names. What is wrong with one is a problem at its place, under the code of the file's own error. */
export class RootFiles {
  readonly revocations: Revocations
  readonly #source: SourceText
  readonly #at: ValuePath
  readonly #reading: Reading

  /** @param at place of the root in the policy */
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

  /** What a list of files holds; files that cannot be read are left out. */
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

  /** What one file holds; undefined if it cannot be read. */
  async one<T>(at: ValuePath, path: string | undefined, read: () => Promise<T>): Promise<T | undefined> {
    if (path !== undefined) await this.restOn(path)
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      this.#reading.problems.push(this.#source.text.faultFrom([...this.#at, ...at], error))
      return undefined
    }
  }

  /** Notes a file as one that the policy rests on: a change of it is a change of the policy. */
  async restOn(path: string): Promise<void> {
    this.#reading.files.set(path, await fileState(path))
  }
}
