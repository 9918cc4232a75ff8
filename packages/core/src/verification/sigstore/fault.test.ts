import { expect, test } from 'vitest'
import { sigstoreFault } from './fault.ts'

const fault = (code: unknown, message: string, path?: string) => {
  const cause = Object.assign(new Error(message), { code })
  const error = sigstoreFault(cause, path)
  expect(error.cause).toBe(cause)
  const { code: own, found, file, hint } = error
  return { own, found, file, hint }
}

test.each([
  ['CERTIFICATE_ERROR', 'CHAIN_NO_PATH'],
  ['TIMESTAMP_ERROR', 'TIMESTAMP_INVALID'],
  ['TLOG_BODY_ERROR', 'LOG_ENTRY_MISMATCH'],
  ['TLOG_ERROR', 'LOG_INCLUSION_INVALID'],
  ['TLOG_INCLUSION_PROOF_ERROR', 'LOG_INCLUSION_INVALID'],
  ['TLOG_INCLUSION_PROMISE_ERROR', 'LOG_INCLUSION_INVALID'],
  ['TLOG_MISSING_INCLUSION_ERROR', 'LOG_INCLUSION_INVALID'],
  ['SIGNATURE_ERROR', 'SIGNATURE_INVALID'],
  ['NEW_ERROR', 'BUNDLE_MALFORMED'],
  ['toString', 'BUNDLE_MALFORMED'],
  [undefined, 'BUNDLE_MALFORMED'],
])('the error %s of the library becomes %s, with what it says', (code, own) => {
  const hint = expect.stringContaining('a different Sigstore instance') as string
  expect(fault(code, 'no "SET"', 'model.sig')).toEqual({ own, found: '"no \\"SET\\""', file: 'model.sig', hint })
  expect(fault(code, 'no', undefined).file).toBeUndefined()
})

test('an error about a signed certificate timestamp has a code of its own, if it is one of the certificate', () => {
  expect(fault('CERTIFICATE_ERROR', 'SCT verification failed').own).toBe('SCT_INVALID')
  expect(fault('TLOG_ERROR', 'SCT verification failed').own).toBe('LOG_INCLUSION_INVALID')
})
