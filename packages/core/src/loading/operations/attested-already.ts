import { isDeepStrictEqual } from 'node:util'
import { parseOwnBundle, type UnverifiedBundle } from '../../bundle/bundle.ts'
import { ModelSealError } from '../../errors.ts'
import { logEntriesOf, signerNamedBy } from '../inspecting/claimed-signer.ts'
import { contentOf } from './attestation-output.ts'

const LINE_FEED = 0x0a

/**
 * Whether a file of attestations has this one already: the same statement, by the same signer, witnessed in the same ways. A new
 * timestamp or a further certificate can have an attestation believed that was not before, so that one with them is another one.
 *
 * @throws {@link ModelSealError} `ABORTED`, and what reading the file throws
 */
export async function isAttestedAlready(path: string, made: Buffer, signal: AbortSignal | undefined): Promise<boolean> {
  const content = await contentOf(path)
  if (!content) return false
  const wanted = await parseOwnBundle(made, path, signal)
  // As modelseal writes it. In a line by others it may be written differently, and the attestation is then added.
  const payload = wanted.envelope.payload.toString('base64')
  for (let at = content.indexOf(payload); at >= 0; at = content.indexOf(payload, at + payload.length)) {
    const there = await bundleAround(content, at, { path, signal })
    if (!there?.envelope.payload.equals(wanted.envelope.payload)) continue
    if (isDeepStrictEqual(await witnesses(there), await witnesses(wanted))) return true
  }
  return false
}

/** Whether one of several bundles over a statement is by the same signer as another bundle over it, witnessed in the same ways. */
export async function isSignedAlready(
  bundles: readonly UnverifiedBundle[],
  made: Buffer,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const wanted = await witnesses(await parseOwnBundle(made, undefined, signal))
  for (const bundle of bundles) if (isDeepStrictEqual(await witnesses(bundle), wanted)) return true
  return false
}

/** @returns undefined if the line cannot be read */
async function bundleAround(
  content: Buffer,
  at: number,
  { path, signal }: { path: string; signal: AbortSignal | undefined },
): Promise<UnverifiedBundle | undefined> {
  const end = content.indexOf(LINE_FEED, at)
  const line = content.subarray(content.lastIndexOf(LINE_FEED, at) + 1, end < 0 ? content.length : end)
  try {
    return await parseOwnBundle(line, path, signal)
  } catch (error) {
    if (error instanceof ModelSealError && error.code !== 'ABORTED') return undefined
    throw error
  }
}

/** Who signed, and what proves it. */
async function witnesses(bundle: UnverifiedBundle): Promise<object> {
  const { material, timestamps, path } = bundle
  // Each keyless signature has a new key.
  const { signer } = material.method === 'sigstore' ? await signerNamedBy(material, path) : {}
  return {
    who: signer ? { identity: signer.identity, issuer: signer.issuer } : material,
    hasTimestamp: timestamps.length > 0,
    logs: logEntriesOf(bundle).map(({ log }) => log),
  }
}
