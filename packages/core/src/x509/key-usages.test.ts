import { expect, test } from 'vitest'
import { CODE_SIGNING, issue, SERVER_AUTH, TIME_STAMPING, type IssueOptions } from '../testing/authority.ts'
import { refusal } from '../testing/scratch.ts'
import { parseCertificate } from './certificate.ts'
import { checkSigningUsage, extendedKeyUsages, statedUsage, usageWords } from './key-usages.ts'

const ANY = '2.5.29.37.0'

async function certificate(options: Partial<IssueOptions>) {
  return parseCertificate((await issue({ subject: 'Signer', ...options })).der)
}

test.each<[string, Partial<IssueOptions>]>([
  ['digitalSignature', { usages: ['digitalSignature'] }],
  ['digitalSignature among others', { usages: ['keyEncipherment', 'digitalSignature'] }],
  ['codeSigning', { extendedUsages: [CODE_SIGNING] }],
  ['codeSigning among others', { extendedUsages: [SERVER_AUTH, CODE_SIGNING] }],
  ['any extended usage and digitalSignature', { extendedUsages: [ANY], usages: ['digitalSignature'] }],
])('a certificate may sign models with the usage %s', async (_, options) => {
  const signer = await certificate(options)
  expect(() => {
    checkSigningUsage(signer)
  }).not.toThrow()
})

const EITHER = 'the key usage digitalSignature or the extended key usage codeSigning'
const EXTENDED = 'the extended key usage codeSigning'

test.each<[string, Partial<IssueOptions>, string, string]>([
  ['none', {}, EITHER, 'no such usage'],
  ['keyCertSign', { usages: ['keyCertSign', 'cRLSign'] }, EITHER, 'no such usage'],
  ['any extended usage', { extendedUsages: [ANY] }, EXTENDED, `the extended key usages ${ANY} (anyExtendedKeyUsage)`],
  [
    'any extended usage and another key usage',
    { extendedUsages: [ANY], usages: ['keyEncipherment'] },
    EXTENDED,
    `the extended key usages ${ANY} (anyExtendedKeyUsage)`,
  ],
  [
    'other extended usages and digitalSignature',
    { extendedUsages: [SERVER_AUTH, TIME_STAMPING, '1.2.3'], usages: ['digitalSignature'] },
    EXTENDED,
    `the extended key usages ${SERVER_AUTH} (serverAuth), ${TIME_STAMPING} (timeStamping), 1.2.3`,
  ],
])('a certificate may not sign models with the usage %s', async (_, options, expected, found) => {
  const signer = await certificate(options)
  expect(() => {
    checkSigningUsage(signer, 'a.pem')
  }).toThrow(
    refusal('CERTIFICATE_USAGE', {
      file: 'a.pem',
      expected,
      found,
      message: expect.stringContaining('"CN=Signer"'),
    }),
  )
})

test('tells the stated usages apart', async () => {
  const usages = ['digitalSignature', 'keyCertSign', 'cRLSign'] as const
  for (const stated of usages) {
    const signer = await certificate({ usages: [stated] })
    expect(usages.filter((usage) => statedUsage(signer, usage))).toEqual([stated])
    expect(usages.map((usage) => statedUsage(signer, usage)).filter((is) => is === undefined)).toEqual([])
  }
  const none = await certificate({})
  expect(usages.map((usage) => statedUsage(none, usage))).toEqual([undefined, undefined, undefined])
  expect(extendedKeyUsages(none)).toBeUndefined()
  expect(extendedKeyUsages(await certificate({ extendedUsages: [SERVER_AUTH, '1.2.3'] }))).toEqual([
    SERVER_AUTH,
    '1.2.3',
  ])
})

test.each([
  ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.1 (serverAuth)'],
  ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.2 (clientAuth)'],
  ['1.3.6.1.5.5.7.3.3', '1.3.6.1.5.5.7.3.3 (codeSigning)'],
  ['1.3.6.1.5.5.7.3.4', '1.3.6.1.5.5.7.3.4 (emailProtection)'],
  ['1.3.6.1.5.5.7.3.8', '1.3.6.1.5.5.7.3.8 (timeStamping)'],
  ['1.3.6.1.5.5.7.3.9', '1.3.6.1.5.5.7.3.9 (OCSPSigning)'],
  ['1.2.3', '1.2.3'],
])('names the usage %s', (id, words) => {
  expect(usageWords(id)).toBe(words)
})
