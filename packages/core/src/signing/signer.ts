import type { SigningMethod } from '../bundle/bundle.ts'

/** Makes signatures by one method. */
export interface Signer {
  method: SigningMethod
  /**
   * Signs the pre-authentication encoding of an envelope.
   *
   * @returns the signature, and the bundle's `verificationMaterial` as OMS 4.1 lists it
   */
  sign(encoded: Uint8Array, signal?: AbortSignal): Promise<{ signature: Buffer; verificationMaterial: object }>
}
