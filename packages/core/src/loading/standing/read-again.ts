import { ModelSealError } from '../../errors.ts'
import { readAttestationFiles } from '../attestations/read-attestations.ts'
import type { JudgedLoad } from './judged-load.ts'

/**
 * Reads the attestations of a loaded model and remembers them: no rule asked for any when it was loaded.
 *
 * @returns false if their server cannot be reached or fails, which must not stop a model that runs
 */
export async function readAttestationsAgain({ verified, reopen }: JudgedLoad): Promise<boolean> {
  if (!verified) return true
  const { files, manifest } = verified
  try {
    const source = await reopen()
    try {
      const attested = { files, isSigned: (name: string) => manifest.files.has(name) }
      verified.attestations = await readAttestationFiles(source, attested, undefined)
    } finally {
      await source.close()
    }
    return true
  } catch (error) {
    if (!(error instanceof ModelSealError)) throw error
    if (OUTAGES.has(error.code)) return false
    verified.attestations = error
    return true
  }
}

const OUTAGES: ReadonlySet<ModelSealError['code']> = new Set(['HTTP_UNREACHABLE', 'HTTP_TIMEOUT', 'HTTP_RESPONSE'])
