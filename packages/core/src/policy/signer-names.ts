import type { UnverifiedBundle } from '../bundle/bundle.ts'
import type { VerifiedIdentity } from '../results.ts'
import { methodOf } from './methods/methods.ts'
import { certifiedKey } from './revocations/revoked-signer.ts'

/** Signers that share one of these names are not distinct. The same key is one signer under every method, even in two certificates. */
export async function signerNames(signer: VerifiedIdentity, { material }: UnverifiedBundle): Promise<string[]> {
  const method = methodOf(signer.method)
  const key = method.keyOf(signer) ?? (await certifiedKey(material))
  return [...(key === undefined ? [] : [`key ${key}`]), ...method.names(signer)]
}
