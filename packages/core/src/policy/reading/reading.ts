import { createHash } from 'node:crypto'
import type { ModelSealError } from '../../errors.ts'
import type { SmallFile } from '../../source/read-small-file.ts'
import type { FileRead } from '../../source/trusted/trusted-file.ts'
import { fileState } from './file-state.ts'
import { readPolicyFile } from './policy-file.ts'
import type { PolicyText } from './policy-text.ts'

/** Reads the files of a policy, and collects their problems and states. */
export class TrackedFiles {
  /** See {@link CompileOptions}. */
  readonly isForOneLoad: boolean
  readonly problems: ModelSealError[] = []
  /** The state of every file that the policy depends on, taken just before it was read. */
  readonly files = new Map<string, string>()
  /** Those that were read by {@link file}. */
  readonly read = new Map<string, FileRead>()
  /** The SHA-256 of everything that was read, in this order. */
  readonly #contents = new Map<string, string>()

  constructor(options: CompileOptions | undefined) {
    // A default object would take it from Object.prototype.
    this.isForOneLoad = options?.forOneLoad === true
  }

  /** Records that the policy depends on a file: a change of the file is a change of the policy. */
  async track(path: string): Promise<void> {
    this.files.set(path, await fileState(path))
  }

  /**
   * Reads a file of the policy.
   *
   * @throws {@link ModelSealError} as {@link readPolicyFile}
   */
  readonly file = async (path: string, file: SmallFile): Promise<Buffer<ArrayBuffer>> => {
    const bytes = await readPolicyFile(path, file, (read) => {
      const before = this.read.get(path)
      // Several entries may name one file. If it changed in between, no state of it describes what was read.
      this.read.set(path, before && before.state !== read.state ? { ...read, state: undefined } : read)
    })
    if (!this.isForOneLoad) {
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      // Once for each file; once more if it changed in between.
      this.#contents.set(JSON.stringify([path, sha256]), sha256)
    }
    return bytes
  }

  /** Digests of what was read; undefined for one load, which reads some files only when bundles need them. */
  digests(): PolicyDigests | undefined {
    const [file, ...others] = this.#contents.values()
    if (file === undefined) return undefined
    const lines = [file, ...others].map((sha256) => `${sha256}\n`)
    return { file, files: createHash('sha256').update(lines.join('')).digest('hex') }
  }
}

/** SHA-256 digests of a policy, in lowercase hex. */
export interface PolicyDigests {
  /** Of the policy file, without the files that it names. */
  readonly file: string
  /**
   * Of everything that was read for the policy: the digest of the lines that `sha256sum FILE… | cut -c 1-64` prints for these files, in
   * the order in which docs/reference/policy.md lists them.
   */
  readonly files: string
}

/** How thoroughly a policy is compiled. */
export interface CompileOptions {
  /**
   * True to read all files of the trust roots, but to parse certificates and Sigstore roots only if the bundle of the
   * load needs them. The libraries for that take longer to load than a small model.
   */
  forOneLoad?: boolean
}

/** A file of a policy: its text, for positions, and its directory, for relative paths. */
export interface SourceText {
  text: PolicyText
  /** Absolute path that relative paths in the file start from. */
  directory: string
}
