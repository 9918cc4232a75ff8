import { expect, test } from 'vitest'
import { configureHashing } from './hashing/pool.ts'
import { watchPolicy } from './policy/watch-policy.ts'
import { certificateSigner } from './signing/methods/certificate.ts'
import { keySigner } from './signing/methods/key.ts'
import { pkcs11CertificateSigner, pkcs11KeySigner } from './signing/methods/pkcs11.ts'
import { refusal } from './testing/scratch.ts'

const files = { privateKey: 'release.key', certificate: 'release.pem' }
const uri = 'pkcs11:object=a'

test.each<[string, string, () => unknown]>([
  ['keySigner', 'pasword', () => keySigner({ privateKey: 'release.key', pasword: 'a' } as never)],
  ['certificateSigner', 'chains', () => certificateSigner({ ...files, chains: [] } as never)],
  ['pkcs11KeySigner', 'modulePath', () => pkcs11KeySigner({ uri, modulePath: '/a' } as never)],
  [
    'pkcs11CertificateSigner',
    'modulePath',
    () => pkcs11CertificateSigner({ uri, certificate: 'release.pem', modulePath: '/a' } as never),
  ],
  ['configureHashing', 'maxThread', () => configureHashing({ maxThread: 2 } as never)],
  ['watchPolicy', 'onerror', () => watchPolicy('policy.yaml', { onerror: () => {} } as never)],
])('%s refuses the unknown option %s', async (of, option, call) => {
  const error: unknown = await (async () => call())().catch((thrown: unknown) => thrown)
  expect(error).toEqual(refusal('INVALID_ARGUMENT', { found: `"${option}"` }))
  expect(String(error)).toContain(of)
})
