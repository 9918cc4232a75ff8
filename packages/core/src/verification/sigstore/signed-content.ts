import { createHash, timingSafeEqual, type Hash, type KeyObject } from 'node:crypto'
import type { SignedEntity } from '@sigstore/verify'
import { preAuthEncodingPieces, type Envelope } from '../../bundle/dsse.ts'
import type { PublicKey } from '../../x509/public-key.ts'
import type { Steps } from '../../source/turns.ts'
import { signedPayload, type SignedPayload } from '../statement-signature.ts'

type SignatureContent = SignedEntity['signature']

/**
 * Computes in advance, step by step, what `@sigstore/verify` needs to know about an envelope: the library itself would hash
 * and verify a payload of many megabytes without yielding.
 *
 * @param publicKey of the certificate in the bundle; the signature is valid only for this key
 * @returns the answers for the library, and the payload if the signature is valid
 */
export function* signedContentSteps(
  envelope: Envelope,
  publicKey: PublicKey,
): Steps<{ content: SignatureContent; signed: SignedPayload | undefined }> {
  const { signature } = envelope
  const payload = createHash('sha256')
  const encoding = createHash('sha256')
  // The first piece is the prefix of the encoding; the others are the payload.
  let prefix = true
  for (const piece of preAuthEncodingPieces(envelope)) {
    encoding.update(piece)
    if (!prefix) payload.update(piece)
    prefix = false
    yield
  }
  const signed = yield* signedPayload(envelope, publicKey)
  const content: SignatureContent = {
    signature,
    compareSignature: (other) => same(other, signature),
    compareDigest: comparing(payload),
    compareSignedDigest: comparing(encoding),
    verifySignature: (key: KeyObject) => signed !== undefined && key.equals(publicKey.key),
  }
  return { content, signed }
}

function comparing(hash: Hash): (digest: Buffer) => boolean {
  const own = hash.digest()
  return (digest) => same(digest, own)
}

function same(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
