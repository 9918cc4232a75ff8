import { X509Certificate } from 'node:crypto'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { parsePublicKey, publicKeyOf } from '../bundle/public-key.ts'
import { parseStatement } from '../bundle/statement.ts'
import { type ModelSealError } from '../errors.ts'
import type { Revocations } from './revocations.ts'

/**
 * Looks up what a bundle merely claims: for the modes `audit` and `skip`, which load models whose
 * bundles did not count, or were not looked at. A claim to be revoked is believed, and no claimed
 * time: at worst a model is refused that nobody vouched for.
 */
export async function revokedByClaim(
  bundle: UnverifiedBundle,
  revocations: Revocations,
): Promise<ModelSealError | undefined> {
  return (await revokedSigner(bundle, revocations)) ?? revokedContents(bundle, revocations)
}

async function revokedSigner(
  { material, path }: UnverifiedBundle,
  revocations: Revocations,
): Promise<ModelSealError | undefined> {
  if (material.method === 'key') {
    const fingerprint =
      material.hint ?? attempt(() => parsePublicKey(material.rawBytes?.toString('latin1') ?? '', path).fingerprint)
    return fingerprint === undefined ? undefined : revocations.key(fingerprint, undefined)
  }
  await Promise.resolve()
  const chain = material.method === 'certificate' ? material.certificates : [material.certificate]
  const leaf = chain[0]
  const key = leaf && attempt(() => publicKeyOf(new X509Certificate(leaf).publicKey).fingerprint)
  return key === undefined ? undefined : revocations.key(key, undefined)
}

function revokedContents({ envelope }: UnverifiedBundle, revocations: Revocations): ModelSealError | undefined {
  const manifest = attempt(() => parseStatement(envelope.payload).manifest)
  return manifest && revocations.rootDigest(manifest.rootDigest, undefined)
}

/** What does not parse claims nothing. */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch {
    return undefined
  }
}
