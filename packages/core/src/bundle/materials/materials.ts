import { ModelSealError } from '../../errors.ts'
import type { Fields } from '../fields.ts'
import { certificateMaterial } from './certificate.ts'
import { keyMaterial } from './key.ts'
import type { ClaimedSigner, MaterialKind } from './material.ts'
import { sigstoreMaterial } from './sigstore.ts'

const MATERIALS = [keyMaterial, certificateMaterial, sigstoreMaterial] as const

/** What the bundle says about its signer. A claim until it is verified. */
export type VerificationMaterial = ReturnType<(typeof MATERIALS)[number]['parse']>

/** How a bundle was signed (OMS 4.1). */
export type SigningMethod = VerificationMaterial['method']

/** OMS 4.1: exactly one kind of material, which determines the method. */
export function parseMaterial(
  material: Fields,
  path: string | undefined,
): { material: VerificationMaterial; keepsJson: boolean } {
  material.only(...MATERIALS.map(({ field }) => field), 'tlogEntries', 'timestampVerificationData')
  const kinds: readonly MaterialKind<VerificationMaterial>[] = MATERIALS.filter(({ field }) => material.isSet(field))
  const [kind, another] = kinds
  if (!kind || another) {
    throw new ModelSealError(
      'BUNDLE_MALFORMED',
      'Cannot read the bundle: it must have exactly one kind of verification material.',
      {
        file: path,
        expected: `one of ${MATERIALS.map(({ field }) => field).join(', ')}`,
        found: kinds.map(({ field }) => field).join(', ') || 'none',
      },
    )
  }
  const logEntries = material.isSet('tlogEntries') ? material.objects('tlogEntries').length : 0
  return { material: kind.parse(material, { logEntries, path }), keepsJson: kind.keepsJson }
}

/** @returns undefined if the bundle names no signer or the signer cannot be read */
export async function claimedSigner(material: VerificationMaterial): Promise<ClaimedSigner | undefined> {
  const kind = MATERIALS.find(({ method }) => method === material.method) as MaterialKind<VerificationMaterial>
  try {
    return await kind.signer(material)
  } catch (error) {
    if (error instanceof ModelSealError) return undefined
    throw error
  }
}

/** Refuses material that bundles of version 0.2 cannot have. */
export function checkBefore03(material: Fields): void {
  for (const { field, expectedBefore03 } of MATERIALS as readonly MaterialKind<VerificationMaterial>[])
    if (expectedBefore03 !== undefined && material.isSet(field)) throw material.fault(field, expectedBefore03)
}
