import { expect, test } from 'vitest'
import { authority } from '../testing/authority.ts'
import { refusal } from '../testing/scratch.ts'
import { certificateCopy } from './certificate-copy.ts'

test('copies DER, keeps certificates, and refuses anything else', async () => {
  const { der, x509 } = await authority('Root')
  const given = Buffer.from(der)
  const copy = certificateCopy(given, 'roots')
  given.fill(0)
  expect(copy).toEqual(der)
  expect(certificateCopy(x509, 'roots')).toBe(x509)
  expect(() => certificateCopy('PEM', 'roots')).toThrow(
    refusal('INVALID_ARGUMENT', {
      message: expect.stringContaining('"roots"'),
      expected: 'DER as a Uint8Array or an X509Certificate',
    }),
  )
})
