import { absolutePath } from '../../absolute-path.ts'
import { writeFileWhole } from '../../source/write-file.ts'
import type { TrustRootInfo } from '../../results.ts'
import { loadSigstoreTrust, type TrustRootSource } from '../../verification/sigstore/trust.ts'

/**
 * Writes a trusted root to a file (`trusted_root.json`), for machines without network access. Its digest stays the
 * same.
 *
 * @returns the exported root
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `FILE_WRITE_FAILED`, and the codes of {@link loadSigstoreTrust}
 * @example
 * ```ts
 * await exportTrustRoot('public-good', 'trusted_root.json')
 * ```
 */
export async function exportTrustRoot(source: TrustRootSource, file: string): Promise<TrustRootInfo> {
  const path = absolutePath(file)
  const { text, info } = await loadSigstoreTrust(source)
  await writeFileWhole(path, text, { what: 'trusted root', failed: 'FILE_WRITE_FAILED', mode: 0o644 })
  return info
}
