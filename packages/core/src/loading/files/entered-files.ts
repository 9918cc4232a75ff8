import { ModelSealError, shown } from '../../errors.ts'
import type { HashType } from '../../hashing/algorithms.ts'
import type { FurtherDigests } from '../../manifest/contents.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { isWithin } from '../../manifest/names.ts'

/**
 * The files of which a root digest was computed without a signature. What is handed out afterwards must be
 * what was looked up among the revoked models, so each file must still have the digest that entered it.
 */
export class EnteredFiles implements FurtherDigests {
  readonly hashTypes: readonly HashType[]
  readonly #manifest: Manifest
  readonly #isLeftOut: (name: string) => boolean

  /**
   * @param manifest of whole files
   * @param mayBeUnsigned what did not have to enter the digest
   */
  constructor(manifest: Manifest, mayBeUnsigned: (name: string) => boolean = () => false) {
    this.hashTypes = [manifest.serialization.hashType]
    this.#manifest = manifest
    const { ignorePaths } = manifest.serialization
    // A file that is a model by itself is all of it: what lies beside it is no part of the digest.
    const isIgnored = ignorePaths ? leavingOut(ignorePaths) : () => true
    this.#isLeftOut = (name) => isIgnored(name) || isWithin(name, mayBeUnsigned)
  }

  /** @throws {@link ModelSealError} `FILE_CHANGED` */
  check(name: string, hashType: HashType, digest: string): void {
    const entered = this.#manifest.files.get(name)?.digests[0]
    if (entered === digest || (entered === undefined && this.#isLeftOut(name))) return
    throw new ModelSealError(
      'FILE_CHANGED',
      `Cannot load the file ${shown(name)}: it changed after the root digest of the model was computed.`,
      {
        file: name,
        expected: entered === undefined ? 'a file that existed at that time' : `${hashType}:${entered}`,
        found: `${hashType}:${digest}`,
        hint: 'Make sure that nothing writes to the model while it is loaded, and try again.',
      },
    )
  }
}

/** A name that is left out takes everything below it along (OMS 6.2.1). */
function leavingOut(paths: readonly string[]): (name: string) => boolean {
  return (name) => paths.some((path) => name === path || name.startsWith(`${path}/`))
}

/** Judges by the digests of several. */
export function allOf(parts: readonly FurtherDigests[]): FurtherDigests {
  return {
    hashTypes: [...new Set(parts.flatMap(({ hashTypes }) => hashTypes))],
    check(name, hashType, digest) {
      for (const part of parts) if (part.hashTypes.includes(hashType)) part.check(name, hashType, digest)
    },
  }
}
