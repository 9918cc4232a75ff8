import { writeBundle } from '../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../bundle/dsse.ts'
import type { Signer } from './signer.ts'

/**
 * Signs an in-toto statement of any type, such as one about a container image.
 *
 * @param statement its JSON
 * @returns the bundle
 * @throws {@link ModelSealError} what the signer throws
 */
export async function signStatement(statement: object, signer: Signer, signal?: AbortSignal): Promise<Buffer> {
  const payload = Buffer.from(JSON.stringify(statement))
  await signer.prepare?.()
  const signed = await signer.sign(preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload), signal, payload)
  const bundle = writeBundle(signed.verificationMaterial, {
    payloadType: IN_TOTO_PAYLOAD_TYPE,
    payload,
    signature: signed.signature,
  })
  await signer.check?.(bundle)
  return bundle
}
