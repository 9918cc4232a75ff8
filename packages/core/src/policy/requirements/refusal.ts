import { ModelSealError, type ErrorCode } from '../../errors.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'

/** What a rule asked for and found. */
export interface Unmet {
  expected: string
  found: string
}

/** Makes the refusals of a valid signature that lacks what a rule asks for. */
export class Refusals {
  readonly #file: string
  readonly #signer: string
  readonly #hint: string

  /**
   * @param file path of the bundle
   * @param hint where a refusal has none of its own
   */
  constructor(file: string, { signer }: VerifiedSignature, hint: string) {
    this.#file = file
    this.#signer = signer.name
    this.#hint = hint
  }

  of(code: ErrorCode, sentence: string, { expected, found }: Unmet, hint = this.#hint): ModelSealError {
    return new ModelSealError(code, sentence, { file: this.#file, signer: this.#signer, expected, found, hint })
  }
}
