import { expect, test } from 'vitest'
import { ERROR_CODES } from '../../error-codes.ts'
import { REVOKED_CODES } from './codes.ts'

test('everything that the policy revokes, other than an attestation, refuses a model in every mode', () => {
  const revoked = Object.keys(ERROR_CODES).filter((code) => /^(?!ATTESTATION).*_REVOKED$/.test(code))
  expect([...REVOKED_CODES].sort()).toEqual([...revoked, 'IDENTITY_UNREADABLE'].sort())
})
