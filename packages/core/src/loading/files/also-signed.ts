import { ModelSealError, shown } from '../../errors.ts'
import type { HashType } from '../../hashing/algorithms.ts'
import type { FurtherDigests } from '../../manifest/contents.ts'
import { UNNAMED_FILE, type Manifest } from '../../manifest/manifest.ts'
import { digestProblem, notSigned } from '../../manifest/mismatch.ts'
import { SUSPICION } from '../../manifest/plainer-cause.ts'

/** A second manifest, with digests of whole files, that the model must match in addition to the first one. */
export class AlsoSigned implements FurtherDigests {
  readonly hashTypes: readonly HashType[]
  readonly #manifest: Manifest

  constructor(manifest: Manifest) {
    this.hashTypes = [manifest.serialization.hashType]
    this.#manifest = manifest
  }

  /** @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH` */
  check(name: string, hashType: HashType, digest: string): void {
    const { files } = this.#manifest
    const listed = files.get(name) ?? files.get(UNNAMED_FILE)
    if (!listed) throw notSigned(name)
    const problem = digestProblem(name, hashType, listed.digests, [digest])
    if (!problem) return
    const { expected, found } = problem
    throw new ModelSealError('FILE_MISMATCH', `The content of ${shown(name)} is not what was signed.`, {
      file: name,
      expected,
      found,
      hint: SUSPICION,
      problems: [problem],
    })
  }
}
