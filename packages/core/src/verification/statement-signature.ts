import { createVerify, verify } from 'node:crypto'
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
export function verifyStatement(bundle: UnverifiedBundle, publicKey: PublicKey, signer: string): Manifest {
  const { envelope, path } = bundle
  const encoded = preAuthEncoding(envelope.payloadType, envelope.payload)
  if (verify(publicKey.hash, encoded, { key: publicKey.key, dsaEncoding: 'der' }, envelope.signature)) {
    return parseStatement(envelope.payload).manifest
  }
  const old = mayBeOld(bundle) ? signedBeforeVersion1(envelope, publicKey) : undefined
  if (old) return old
  throw new ModelSealError('SIGNATURE_INVALID', `The signature is not one by ${shown(signer)} over this statement.`, {
    file: path,
    signer,
    hint: 'The bundle was changed, or forged: do not load the model.',
  })
}

/** A manifest of a hundred thousand files; those releases signed nothing larger that is known. */
const MAX_OLD_PAYLOAD = 32 * 1024 * 1024

/**
 * What can be told before the signature is known to be good, so that a forged bundle costs little:
 * bundles of that time carry the key itself, and record no ignored paths.
 */
function mayBeOld({ material, envelope: { payload } }: UnverifiedBundle): boolean {
  if (material.method === 'key' && material.rawBytes === undefined) return false
  return payload.length <= MAX_OLD_PAYLOAD && !payload.includes('"ignore_paths"')
}

/**
 * OMS 11: releases before 1.0 signed a defective encoding, and 0.2.0 with SHA-256 whatever the
 * curve. Accepted for statements of their shape only.
 */
function signedBeforeVersion1(envelope: Envelope, publicKey: PublicKey): Manifest | undefined {
  const byCurve = signedDefectively(envelope, publicKey, publicKey.hash)
  if (!byCurve && (publicKey.hash === 'sha256' || !signedDefectively(envelope, publicKey, 'sha256'))) return undefined
  const { manifest, version } = parseStatement(envelope.payload)
  const ofItsTime = version === '0.1' || (byCurve && manifest.serialization.ignorePaths === undefined)
  return ofItsTime ? manifest : undefined
}

function signedDefectively(envelope: Envelope, { key }: PublicKey, hash: string): boolean {
  const verifier = createVerify(hash)
  for (const piece of defectivePreAuthEncoding(envelope)) verifier.update(piece)
  return verifier.verify({ key, dsaEncoding: 'der' }, envelope.signature)
}
