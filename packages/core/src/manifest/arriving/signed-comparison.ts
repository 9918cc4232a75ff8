import type { FileProblem, ModelSealError } from '../../errors.ts'
import type { ModelFiles, SignedContent, SourceEntry } from '../../source/model-source.ts'
import type { ListedFile } from '../listed-files.ts'
import { UNNAMED_FILE, type Manifest } from '../manifest.ts'
import { digestProblem, mismatch, notSigned, otherModelHint } from '../mismatch.ts'
import type { Comparison } from './comparison.ts'

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

  /**
   * Compares what the source states about files with their signed digests, so that a file that cannot match is not
   * fetched. A statement that matches proves nothing.
   *
   * @throws {@link ModelSealError} `FILE_MISMATCH` with all `problems`
   */
  checkStated(entries: Iterable<SourceEntry>): void {
    const problems: FileProblem[] = []
    for (const entry of entries) problems.push(...this.#statedProblem(entry))
    if (problems.length > 0) throw mismatch(this.#path, problems, () => undefined)
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

  #statedProblem({ name, size, sha256 }: SourceEntry): FileProblem[] {
    const { hashType, digests, size: signed } = this.expected(name)
    const [digest] = digests
    const differs = (expected: string, found: string): FileProblem[] => [
      { code: 'FILE_MISMATCH', file: name, expected, found: `${found}, as its source states` },
    ]
    // Only models signed in shards have signed sizes, and the digest of a shard is not that of the file.
    if (signed !== undefined)
      return size === undefined || size === signed ? [] : differs(`${signed} bytes`, `${size} bytes`)
    const isStated = hashType === 'sha256' && sha256 !== undefined
    return isStated && sha256 !== digest ? differs(`sha256:${digest}`, `sha256:${sha256}`) : []
  }

  /** A single-file model must be the only file in its manifest. */
  #onlyFile(name: string, manifest: Manifest): ReadonlyMap<string, ListedFile> {
    const { files } = manifest
    const listed = files.get(UNNAMED_FILE) ?? files.get(name)
    if (!listed) {
      const hint = manifest.modelName === name ? undefined : otherModelHint(manifest)
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
