import { verify } from 'node:crypto'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { defectivePreAuthEncoding, preAuthEncoding, type Envelope } from '../bundle/dsse.ts'
import type { PublicKey } from '../bundle/public-key.ts'
import { parseStatement } from '../bundle/statement.ts'
import { ModelSealError, shown } from '../errors.ts'
import type { Manifest } from '../manifest/manifest.ts'

/**
 * Checks the signature of an envelope with a key, and only then reads the statement in it (OMS 8.2, 8.3).
 *
 * @param signer the verifier's name for the signer, for messages
 * @throws {@link ModelSealError} `SIGNATURE_INVALID`, and what parsing the statement throws
 */
export function verifyStatement({ envelope, path }: UnverifiedBundle, publicKey: PublicKey, signer: string): Manifest {
  const encoded = preAuthEncoding(envelope.payloadType, envelope.payload)
  if (signed(encoded, envelope, publicKey, publicKey.hash)) return parseStatement(envelope.payload).manifest

  const old = signedBeforeVersion1(envelope, publicKey)
  if (old) return old
  throw new ModelSealError('SIGNATURE_INVALID', `The signature is not one by ${shown(signer)} over this statement.`, {
    file: path,
    signer,
    hint: 'The bundle was changed, or forged: do not load the model.',
  })
}

/**
 * OMS 11: releases before 1.0 signed a defective encoding, and 0.2.0 with SHA-256 whatever the
 * curve. Accepted for statements of their shape only: those record no ignored paths.
 */
function signedBeforeVersion1(envelope: Envelope, publicKey: PublicKey): Manifest | undefined {
  const encoded = defectivePreAuthEncoding(envelope)
  const byCurve = signed(encoded, envelope, publicKey, publicKey.hash)
  if (!byCurve && !signed(encoded, envelope, publicKey, 'sha256')) return undefined
  const { manifest, version } = parseStatement(envelope.payload)
  const ofItsTime = version === '0.1' || (byCurve && manifest.serialization.ignorePaths === undefined)
  return ofItsTime ? manifest : undefined
}

function signed(encoded: Buffer, { signature }: Envelope, { key }: PublicKey, hash: string): boolean {
  return verify(hash, encoded, { key, dsaEncoding: 'der' }, signature)
}
