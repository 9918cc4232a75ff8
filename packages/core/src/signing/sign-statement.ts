import { writeBundle } from '../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../bundle/dsse.ts'
import { throwIfAborted } from '../source/aborted.ts'
import type { CheckedBundle, MadeSignature, SignedAt, Signer } from './signer.ts'
import { timestampOver } from './timestamp.ts'

interface StatementOptions {
  signal?: AbortSignal | undefined
  /** URL of a timestamp authority (RFC 3161). */
  timestampAuthority?: string | undefined
}

/** A signed statement, and what is known about its signature. */
interface SignedStatement {
  bundle: Buffer
  payload: Buffer
  signed: MadeSignature
  checked: CheckedBundle | undefined
  time: SignedAt | undefined
}

/**
 * Signs an in-toto statement of any type, such as one about a container image.
 *
 * @param statement its JSON
 * @returns the bundle
 * @throws {@link ModelSealError} what the signer throws
 */
export async function signStatement(statement: object, signer: Signer, signal?: AbortSignal): Promise<Buffer> {
  await signer.prepare?.()
  return (await signPayload(Buffer.from(JSON.stringify(statement)), signer, { signal })).bundle
}

/** Signs a statement in its encoded form, with a signer that is prepared. */
export async function signPayload(
  payload: Buffer,
  signer: Signer,
  { signal, timestampAuthority }: StatementOptions,
): Promise<SignedStatement> {
  throwIfAborted(signal)
  const signed = await signer.sign(preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload), signal, payload)
  const { signature } = signed
  const timestamp =
    timestampAuthority === undefined ? undefined : await timestampOver(signature, timestampAuthority, signal)
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature } as const
  const bundle = writeBundle({ ...signed.verificationMaterial, ...timestamp?.material }, envelope)
  const checked = (await signer.check?.(bundle)) ?? undefined
  return { bundle, payload, signed, checked, time: checked?.time ?? timestamp?.time }
}
