import type { KeyObject } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { parseOwnBundle, type UnverifiedBundle } from '../../bundle/bundle.ts'
import { ModelSealError } from '../../errors.ts'
import type { Signer } from '../../signing/signer.ts'
import { inTurns } from '../../source/turns.ts'
import { isSigned } from '../../verification/known-signatures.ts'
import { logEntriesOf, signerNamedBy } from '../inspecting/claimed-signer.ts'
import { contentOf } from './attestation-output.ts'

const LINE_FEED = 0x0a

/** Who made a signed statement. */
interface Maker {
  signer: Signer
  /** Verifies its signatures, unless the signer checks bundles itself. */
  publicKey: KeyObject | undefined
  signal: AbortSignal | undefined
}

/**
 * Whether a file of attestations has this one already: the same statement, with a valid signature by the same signer, witnessed in the
 * same ways. A new timestamp or a further certificate can have an attestation believed that was not before, so that one with them is
 * another one.
 *
 * @throws {@link ModelSealError} `ABORTED`, and what reading the file throws
 */
export async function isAttestedAlready(path: string, made: Buffer, maker: Maker): Promise<boolean> {
  const content = await contentOf(path)
  if (!content) return false
  // As modelseal writes it. In a line by others it may be written differently, and the attestation is then added.
  const payload = (await parseOwnBundle(made, path, maker.signal)).envelope.payload.toString('base64')
  const lines: Buffer[] = []
  for (let at = content.indexOf(payload); at >= 0; at = content.indexOf(payload, at + payload.length))
    lines.push(lineAround(content, at))
  return isSignedAlready(lines, made, maker)
}

/** The same for bundles, each in a line. */
export async function isSignedAlready(lines: readonly Buffer[], made: Buffer, maker: Maker): Promise<boolean> {
  const { signal } = maker
  const wanted = await parseOwnBundle(made, undefined, signal)
  for (const line of lines) {
    const there = await bundleIn(line, signal)
    if (!there?.envelope.payload.equals(wanted.envelope.payload)) continue
    const isSame = isDeepStrictEqual(await witnesses(there), await witnesses(wanted))
    if (isSame && (await isMadeBy(maker, there, line))) return true
  }
  return false
}

/** Anybody can write a line that names any signer. One of which that cannot be told is by another. */
async function isMadeBy(
  { signer, publicKey, signal }: Maker,
  { envelope, timestamps }: UnverifiedBundle,
  line: Buffer,
): Promise<boolean> {
  try {
    if (signer.check) await signer.check(line)
    // Nothing tells whether its timestamps are genuine.
    else if (!publicKey || timestamps.length > 0) return false
    else return await inTurns(isSigned(envelope, publicKey), signal)
    return true
  } catch (error) {
    if (error instanceof ModelSealError && error.code !== 'ABORTED') return false
    throw error
  }
}

function lineAround(content: Buffer, at: number): Buffer {
  const end = content.indexOf(LINE_FEED, at)
  return content.subarray(content.lastIndexOf(LINE_FEED, at) + 1, end < 0 ? content.length : end)
}

/** @returns undefined if the line cannot be read */
async function bundleIn(line: Buffer, signal: AbortSignal | undefined): Promise<UnverifiedBundle | undefined> {
  try {
    return await parseOwnBundle(line, undefined, signal)
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
