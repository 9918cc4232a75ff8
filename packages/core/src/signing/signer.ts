import type { SigningMethod } from '../bundle/bundle.ts'

/** Makes signatures by one method. */
export interface Signer {
  method: SigningMethod
  /**
   * Signs the pre-authentication encoding of an envelope.
   *
   * @param payload what is encoded, for methods that log it
   * @returns the signature, and the bundle's `verificationMaterial` as OMS 4.1 lists it
   */
  sign(
    encoded: Uint8Array,
    signal?: AbortSignal,
    payload?: Uint8Array,
  ): Promise<{ signature: Buffer; verificationMaterial: object }>
  /** Looks at the whole bundle before it is written; where it throws, nothing is. */
  check?(bundle: Buffer): Promise<void>
}
