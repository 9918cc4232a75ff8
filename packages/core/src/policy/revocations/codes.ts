import type { ErrorCode } from '../../errors.ts'

/** Codes that refuse a model in every mode. */
export const REVOKED_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'MODEL_REVOKED',
  'FILE_REVOKED',
  'KEY_REVOKED',
  'CERTIFICATE_REVOKED',
  'IDENTITY_REVOKED',
  'IDENTITY_UNREADABLE',
])
