import type { FileProblem, ModelSealError } from '../errors.ts'
import type { ModelFiles, SignedContent } from '../source/model-source.ts'
import type { ListedFile } from './listed-files.ts'
import { UNNAMED_FILE, type Manifest } from './manifest.ts'
import { digestProblem, isOfOtherModel, mismatch, notSigned, otherModelHint } from './mismatch.ts'
import type { Comparison } from './streamed-files.ts'

/** Compares arriving files with a signed manifest. Only names in the manifest are ever requested. */
export class SignedComparison implements Comparison {
  readonly digests: NonNullable<Comparison['digests']>
  readonly #path: string
  readonly #files: ReadonlyMap<string, ListedFile>

  /** @throws {@link ModelSealError} `FILE_UNSIGNED`, `FILE_MISSING` for a single file that is not what the manifest names */
  constructor(files: ModelFiles, manifest: Manifest) {
    const { hashType, shardSize = Infinity } = manifest.serialization
    this.digests = { hashType, shardSize }
    this.#path = files.path
    this.#files = files.isFile ? this.#onlyFile(files.name, manifest) : manifest.files
  }

  get names(): string[] {
    return [...this.#files.keys()]
  }

  expected(name: string): SignedContent {
    const listed = this.#files.get(name)
    if (!listed) throw notSigned(name)
    return { hashType: this.digests.hashType, digests: listed.digests, size: listed.size }
  }

  check(name: string, digests: readonly string[], head: Buffer): void {
    const problem = digestProblem(name, this.digests.hashType, this.expected(name).digests, digests)
    if (problem) throw this.#refusal(problem, head)
  }

  wrongSize(name: string, { expected, found }: { expected: number; found: string }, head?: Buffer): ModelSealError {
    return this.#refusal({ code: 'FILE_MISMATCH', file: name, expected: `${expected} bytes`, found }, head)
  }

  missing(name: string): ModelSealError {
    return this.#refusal({ code: 'FILE_MISSING', file: name })
  }

  /** A single-file model must be the only file in its manifest. */
  #onlyFile(name: string, manifest: Manifest): ReadonlyMap<string, ListedFile> {
    const { files } = manifest
    const listed = files.get(UNNAMED_FILE) ?? files.get(name)
    if (!listed) {
      const hint = isOfOtherModel(manifest, name, [name]) ? otherModelHint(manifest) : undefined
      throw mismatch(this.#path, [{ code: 'FILE_UNSIGNED', file: name }], () => undefined, hint)
    }
    const other = [...files.keys()].find((each) => each !== listed.name)
    if (other !== undefined) throw this.#refusal({ code: 'FILE_MISSING', file: other })
    return new Map([[name, listed]])
  }

  #refusal(problem: FileProblem, head?: Buffer): ModelSealError {
    return mismatch(this.#path, [problem], () => head)
  }
}
