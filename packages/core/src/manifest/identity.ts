import { createHash } from 'node:crypto'
import type { Manifest } from './manifest.ts'

/**
 * Identifies names and digests together, in lowercase hex. A root digest covers digests only (OMS 6.5.1), but two signers must also agree on
 * the names.
 *
 * @example
 * ```ts
 * const model = await openVerifiedModel('models/vad', { policy: 'trust-policy.yaml' })
 * if (model.decision === 'accepted') console.log(modelIdentity(model.manifest))
 * ```
 */
export function modelIdentity({ rootDigest, resources, serialization }: Manifest): string {
  const { method, hashType, shardSize, allowSymlinks } = serialization
  const hash = createHash('sha256').update(JSON.stringify([rootDigest, method, hashType, shardSize, allowSymlinks]))
  // Many at once, because a call costs more than hashing a name.
  for (let start = 0; start < resources.length; start += NAMES_AT_ONCE) {
    const some = resources.slice(start, start + NAMES_AT_ONCE)
    hash.update(some.map(({ name }) => `\0${name}`).join(''))
  }
  return hash.digest('hex')
}

const NAMES_AT_ONCE = 1_024
