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
  readonly file = (path: string, file: SmallFile): Promise<Buffer<ArrayBuffer>> =>
    readPolicyFile(path, file, (read) => {
      const before = this.read.get(path)
      // Several entries may name one file. If it changed in between, no state of it describes what was read.
      this.read.set(path, before && before.state !== read.state ? { ...read, state: undefined } : read)
    })
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
