import { expect, test } from 'vitest'
import { issue } from '../testing/authority.ts'
import { refusal } from '../testing/scratch.ts'
import { parseCertificate } from './certificate.ts'

const { der } = await issue({
  subject: 'Signer',
  notBefore: new Date('2026-02-03T04:05:06Z'),
  notAfter: new Date('2027-03-04T05:06:07Z'),
})

/** The certificate with another time in place of the first one; its signature is not read. */
function begunAt(time: string): Buffer {
  const at = der.indexOf('260203040506Z')
  return Buffer.concat([der.subarray(0, at), Buffer.from(time), der.subarray(at + time.length)])
}

test('reads the validity', async () => {
  const { fields } = await parseCertificate(begunAt('491231235959Z'))
  expect(fields.notBefore.value).toEqual(new Date('2049-12-31T23:59:59Z'))
  expect(fields.notAfter.value).toEqual(new Date('2027-03-04T05:06:07Z'))
})

test.each(['260230000000Z', '261301000000Z', '000000000000Z', '260203046006Z'])(
  'refuses the time %s, which does not exist',
  (time) => expect(parseCertificate(begunAt(time))).rejects.toEqual(refusal('CERTIFICATE_INVALID')),
)
