import { resolve } from 'node:path'
import { writeFileWhole } from '../signing/write-file.ts'
import { loadSigstoreTrust, type TrustRootInfo, type TrustRootSource } from '../verification/sigstore-trust.ts'

/**
 * Writes a trusted root to a file (`trusted_root.json`), for machines that have no network.
 *
 * @returns which root it is
 * @throws {@link ModelSealError} `SIGNATURE_WRITE_FAILED`, and as {@link loadSigstoreTrust}
 * @example
 * ```ts
 * await exportTrustRoot('public-good', 'trusted_root.json')
 * ```
 */
export async function exportTrustRoot(source: TrustRootSource, file: string): Promise<TrustRootInfo> {
  const { root, info } = await loadSigstoreTrust(source)
  const { TrustedRoot } = await import('@sigstore/protobuf-specs')
  await writeFileWhole(resolve(file), Buffer.from(`${JSON.stringify(TrustedRoot.toJSON(root), null, 2)}\n`))
  return info
}
