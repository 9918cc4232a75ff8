import { ModelSealError, shown } from '../../errors.ts'
import type { HashType } from '../../hashing/algorithms.ts'
import type { FurtherDigests } from '../../manifest/contents.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { isWithin } from '../../manifest/names.ts'

/**
 * The files of a model whose root digest was computed without a signature, to look it up among the revoked models.
 * Files that are handed out afterwards must still have the digests that went into it.
 */
export class DigestedFiles implements FurtherDigests {
  readonly hashTypes: readonly HashType[]
  readonly #manifest: Manifest
  readonly #isLeftOut: (name: string) => boolean

  /**
   * @param manifest manifest of whole files
   * @param mayBeUnsigned paths that may be missing from the digest
   */
  constructor(manifest: Manifest, mayBeUnsigned: (name: string) => boolean = () => false) {
    this.hashTypes = [manifest.serialization.hashType]
    this.#manifest = manifest
    const { ignorePaths } = manifest.serialization
    // If the model is a single file, files beside it are not part of the digest.
    const isIgnored = ignorePaths ? leavingOut(ignorePaths) : () => true
    this.#isLeftOut = (name) => isIgnored(name) || isWithin(name, mayBeUnsigned)
  }

  /** @throws {@link ModelSealError} `FILE_CHANGED` */
  check(name: string, hashType: HashType, digest: string): void {
    const expected = this.#manifest.files.get(name)?.digests[0]
    if (expected === digest || (expected === undefined && this.#isLeftOut(name))) return
    throw new ModelSealError(
      'FILE_CHANGED',
      `Cannot load the file ${shown(name)}: it changed after the root digest of the model was computed.`,
      {
        file: name,
        expected: expected === undefined ? 'a file that existed at that time' : `${hashType}:${expected}`,
        found: `${hashType}:${digest}`,
        hint: 'Make sure that nothing writes to the model while it is loaded, and try again.',
      },
    )
  }
}

/** Everything below an ignored name is ignored as well (OMS 6.2.1). */
function leavingOut(paths: readonly string[]): (name: string) => boolean {
  return (name) => paths.some((path) => name === path || name.startsWith(`${path}/`))
}

/** Combines several judges of digests. */
export function allOf(parts: readonly FurtherDigests[]): FurtherDigests {
  return {
    hashTypes: [...new Set(parts.flatMap(({ hashTypes }) => hashTypes))],
    check(name, hashType, digest) {
      for (const part of parts) if (part.hashTypes.includes(hashType)) part.check(name, hashType, digest)
    },
  }
}
