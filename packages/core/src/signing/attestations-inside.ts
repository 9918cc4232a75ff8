import { parseOwnBundle } from '../bundle/bundle.ts'
import { isAttestation } from '../bundle/claim.ts'
import { ModelSealError } from '../errors.ts'

const LINE_FEED = 0x0a

/**
 * Whether the content of `claims.jsonl` is attestations: at least one line, and each a Sigstore bundle over a statement that is not the
 * signature of a model. A dataset may have the same name, and its content has to be signed.
 */
export async function areAttestations(bytes: Buffer): Promise<boolean> {
  let count = 0
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(LINE_FEED, start)
    const line = bytes.subarray(start, end < 0 ? bytes.length : end)
    start += line.length + 1
    if (line.every((byte) => byte <= 0x20)) continue
    try {
      if (!(await isAttestation(await parseOwnBundle(line)))) return false
    } catch (error) {
      if (error instanceof ModelSealError) return false
      throw error
    }
    count++
  }
  return count > 0
}
