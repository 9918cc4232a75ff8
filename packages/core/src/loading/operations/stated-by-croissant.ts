import { checkInputSize, cannotMake, isJson } from '../../attestation/input.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { FurtherDigests } from '../../manifest/contents.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { readCroissant, type CroissantFile } from '../../signing/datasets/croissant.ts'
import { compareStated, type StatedDifferences } from '../../signing/datasets/stated-digests.ts'
import { namesForMessage } from '../../signing/doubtful-files.ts'

/** A file that a statement was made from. */
interface InputFile {
  bytes: Uint8Array
  /** Its path, for messages. */
  file?: string
}

/** The digests in the Croissant document that a statement was made from, and those of the signed files. */
export class StatedByCroissant {
  readonly #document: string | undefined
  readonly #files: readonly CroissantFile[]
  readonly #manifest: Manifest
  readonly #whole = new Map<string, string>()

  /**
   * @returns undefined if the file is not a Croissant document that describes files
   * @throws {@link ModelSealError} `ATTESTATION_INPUT`, `JSON_*`, `ABORTED`
   */
  static async in(
    { bytes, file }: InputFile,
    manifest: Manifest,
    signal?: AbortSignal,
  ): Promise<StatedByCroissant | undefined> {
    checkInputSize(bytes, file)
    const files = isJson(bytes) ? await readCroissant(bytes, file, signal) : undefined
    return files && new StatedByCroissant(file, files, manifest)
  }

  private constructor(document: string | undefined, files: readonly CroissantFile[], manifest: Manifest) {
    this.#document = document
    this.#files = files
    this.#manifest = manifest
  }

  /** The digests that the manifest lacks, which are to be computed when its files are checked. */
  get further(): FurtherDigests | undefined {
    if (this.#isInManifest || this.#files.length === 0) return undefined
    return { hashTypes: ['sha256'], check: (name, _, digest) => void this.#whole.set(name, digest) }
  }

  /**
   * Compares the digests. Those that the manifest lacks must have been computed.
   *
   * @returns the number of files
   * @throws {@link ModelSealError} `ATTESTATION_INPUT`
   */
  compare(): number {
    if (this.further && this.#whole.size === 0) throw this.#notComputed()
    const { files } = this.#manifest
    const found = compareStated(this.#files, (name) =>
      this.#isInManifest ? files.get(name)?.digests[0] : this.#whole.get(name),
    )
    if (found.differing.length + found.missing.length > 0) throw this.#differs(found)
    return this.#files.length
  }

  get #isInManifest(): boolean {
    const { method, hashType } = this.#manifest.serialization
    return method === 'files' && hashType === 'sha256'
  }

  #notComputed(): ModelSealError {
    const { method, hashType } = this.#manifest.serialization
    return new ModelSealError(
      'ATTESTATION_INPUT',
      `${cannotMake('a card', this.#document)}: the SHA-256 digests in it cannot be compared with the signature, which has others.`,
      {
        file: this.#document,
        expected: 'SHA-256 digests of whole files in the signature, or files that may be hashed',
        found: method === 'shards' ? 'digests of shards' : hashType,
        hint: 'Attest a copy of the dataset on this machine, without "check: false" (on the command line, --no-check).',
      },
    )
  }

  #differs({ differing, missing }: StatedDifferences): ModelSealError {
    const [first] = differing
    const reasons = [
      ...(differing.length > 0
        ? [
            `it states another SHA-256 than that of the signed content of ${namesForMessage(differing.map(({ file }) => file))}`,
          ]
        : []),
      ...(missing.length > 0 ? [`it describes ${namesForMessage(missing)}, but no such content was signed`] : []),
    ]
    const by = this.#document === undefined ? 'the document' : shown(this.#document)
    return new ModelSealError('ATTESTATION_INPUT', `${cannotMake('a card', this.#document)}: ${reasons.join('; ')}.`, {
      file: this.#document,
      expected: first && `sha256:${first.signed} for ${shown(first.file)}, as signed`,
      found: first && shown(first.stated),
      hint: `Correct ${by}, or restore what it describes, and sign the dataset again.`,
    })
  }
}
