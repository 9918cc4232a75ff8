import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { expect, test } from 'vitest'
import { extension, issue, signingLeaf } from '../testing/authority.ts'
import { refusal } from '../testing/scratch.ts'
import { parseCertificate } from './certificate.ts'
import { checkCriticalExtensions } from './critical-extensions.ts'

const UNKNOWN = '1.3.6.1.4.1.99999.1'

async function withExtension(id: string, critical: boolean) {
  const extensions = [extension(id, critical, new asn1js.Null())]
  return parseCertificate((await issue({ subject: 'Signer', extensions })).der)
}

test('refuses an unknown critical extension', async () => {
  const certificate = await withExtension(UNKNOWN, true)
  expect(() => {
    checkCriticalExtensions(certificate, 'a.pem')
  }).toThrow(
    refusal('CERTIFICATE_EXTENSION', {
      file: 'a.pem',
      found: `the extension ${UNKNOWN}`,
      message: expect.stringContaining('"CN=Signer"'),
    }),
  )
})

test('accepts unknown extensions that are not critical, critical ones that are understood, and none', async () => {
  checkCriticalExtensions(await withExtension(UNKNOWN, false))
  const issuer = await issue({ subject: 'Root', ca: true, usages: ['keyCertSign'], permitted: [[2, 'a.example']] })
  checkCriticalExtensions(await parseCertificate(issuer.der))
  const usages = { extendedUsages: ['1.3.6.1.5.5.7.3.3'], extendedCritical: true }
  checkCriticalExtensions(await parseCertificate((await signingLeaf(issuer, usages)).der))
  const others = [
    extension('2.5.29.17', true, new pkijs.AltName({ altNames: [] }).toSchema()),
    extension('2.5.29.54', true, new asn1js.Integer({ value: 0 })),
  ]
  checkCriticalExtensions(await parseCertificate((await issue({ subject: 'Root', extensions: others })).der))
  const bare = await parseCertificate(issuer.der)
  delete bare.fields.extensions
  checkCriticalExtensions(bare)
})
