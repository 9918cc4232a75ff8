import type { ModelSealError } from '../../errors.ts'
import { REVOKED_CODES } from '../../policy/revocations/codes.ts'

/** Revocations refuse in every mode, and an abort is not a judgement. */
export function holdsInAudit({ code }: ModelSealError): boolean {
  return REVOKED_CODES.has(code) || code === 'ABORTED'
}
