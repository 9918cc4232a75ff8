import { shown } from '../../../errors.ts'
import { inTurns } from '../../../source/turns.ts'
import type { PolicyFacts } from '../../policy-facts.ts'
import { RevocationList } from '../../revocations/revocation-list.ts'
import { readFeed } from '../feed-file.ts'
import { digestSteps } from '../feed-statement.ts'
import type { FollowedFeed } from '../followed-feed.ts'
import { verifiedPayload } from '../verify-feed.ts'
import type { FeedVersion } from './version.ts'

/**
 * Verifies a feed file for a policy, and compiles what it denies.
 *
 * @param known the version in use: if it has the same content, it is not read again
 * @param trusted the same, if it was verified for this policy: if it is the same file, it is not verified again
 * @throws {@link ModelSealError} why the feed file is not valid
 */
export async function verifiedVersion(
  bytes: Buffer,
  { followed, policy }: { followed: FollowedFeed; policy: PolicyFacts },
  known: FeedVersion | undefined,
  trusted: FeedVersion | undefined,
): Promise<FeedVersion> {
  const fileDigest = await sha256InTurns(bytes)
  if (trusted?.fileDigest === fileDigest) return { ...trusted, bytes }
  const payload = await verifiedPayload(bytes, followed, policy)
  const digest = await sha256InTurns(payload)
  if (known?.digest === digest) return { ...known, bytes, fileDigest }
  const { feed, sequence, issued, expires, denied } = await readFeed(payload, { file: followed.source })
  const list = new RevocationList(`the advisory feed ${shown(feed)}`)
  await inTurns(list.addSteps(denied))
  return { bytes, fileDigest, digest, feed, sequence, issued, expires, denied: list }
}

/** SHA-256 in lowercase hex. */
export function sha256InTurns(bytes: Uint8Array): Promise<string> {
  return inTurns(digestSteps(bytes))
}
