import { expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { REVOKED_CODES } from '../../policy/revocations/codes.ts'
import { holdsInAudit } from './holds-in-audit.ts'

test('an audit tolerates anything but revocations and an abort', () => {
  for (const code of [...REVOKED_CODES, 'ABORTED'] as const)
    expect([code, holdsInAudit(new ModelSealError(code, 'No.'))]).toEqual([code, true])
  for (const code of ['BUNDLE_NOT_FOUND', 'ADVISORY_STALE', 'INTERNAL'] as const)
    expect([code, holdsInAudit(new ModelSealError(code, 'No.'))]).toEqual([code, false])
})
