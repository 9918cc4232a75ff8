import type { ModelSealError } from '../../errors.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { SignatureBounds } from '../signature-time.ts'
import type { Revocations } from './revocations.ts'

/** Compares the whole-file digests in the manifest; digests by other algorithms are computed when the model is loaded. */
export function revokedFile(
  { files, serialization: { method, hashType } }: Manifest,
  revocations: Revocations,
  when: SignatureBounds | undefined,
): ModelSealError | undefined {
  if (method !== 'files' || !revocations.fileAlgorithms.has(hashType)) return undefined
  for (const { name, digests } of files.values()) {
    const revoked = revocations.file(name, hashType, digests[0] ?? '', when)
    if (revoked) return revoked
  }
  return undefined
}
