import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { authority, extension, inDays, issue, signingLeaf, type Issued, type Name } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { invalid, validateByLibrary } from './library.ts'

const root = await authority('Root')
const middle = await authority('Middle', { issuer: root })
const leaf = await signingLeaf(middle)

const parsed = (...path: Issued[]) => Promise.all(path.map(({ der }) => parseCertificate(der)))
const validated = async (...path: Issued[]) => validateByLibrary(await parsed(...path), new Date())

afterEach(() => void vi.restoreAllMocks())

describe('the library', () => {
  test('accepts valid paths, and none', async () => {
    await validated(leaf, middle, root)
    await validated(await signingLeaf(root), root)
    await validated()
  })

  test('judges a path at the given time', async () => {
    const path = await parsed(leaf, middle, root)
    await validateByLibrary(path, inDays(29))
    await expect(validateByLibrary(path, inDays(31))).rejects.toThrow(
      refusal('CHAIN_INVALID', {
        message: expect.stringContaining('"CN=Signer"'),
        found: expect.stringMatching(/./),
      }),
    )
  })

  test('refuses an issuer that is no authority', async () => {
    const wrong = await issue({ subject: 'Wrong', issuer: root, usages: ['keyCertSign'] })
    await expect(validated(await signingLeaf(wrong), wrong, root)).rejects.toThrow(
      refusal('CHAIN_NOT_CA', {
        message: expect.stringContaining('"CN=Signer"'),
        expected: 'the basic constraint CA on each issuer, and the key usage keyCertSign if it states key usages',
        found: '"CN=Wrong", "CN=Root"',
      }),
    )
  })

  test.each(['permitted', 'excluded'] as const)('refuses a name by a list of names that are %s', async (list) => {
    const names: Name[] = [[2, list === 'permitted' ? 'example.org' : 'evil.net']]
    const limited = await authority('Limited', { issuer: root, [list]: names })
    await expect(validated(await signingLeaf(limited, { names: [[2, 'a.evil.net']] }), limited, root)).rejects.toThrow(
      refusal('CHAIN_NAME_CONSTRAINT', {
        message: expect.stringContaining('"CN=Signer"'),
        found: expect.stringMatching(/./),
      }),
    )
  })

  test('refuses a path without the policy that an authority demands', async () => {
    const demand = extension('2.5.29.36', true, new pkijs.PolicyConstraints({ requireExplicitPolicy: 0 }).toSchema())
    const demanding = await authority('Demanding', { issuer: root, extensions: [demand] })
    await expect(validated(await signingLeaf(demanding), demanding, root)).rejects.toThrow(refusal('CHAIN_INVALID'))
  })

  test.each<[string, (path: pkijs.Certificate[]) => pkijs.Certificate[] | undefined]>([
    ['none', () => undefined],
    ['a shorter one', (path) => path.slice(1)],
    ['a longer one', (path) => [...path, ...path.slice(-1)]],
    ['another order', (path) => path.toReversed()],
    [
      'a copy',
      (path) => path.map((one) => new pkijs.Certificate({ schema: asn1js.fromBER(one.toSchema().toBER()).result })),
    ],
  ])('must have validated this path, and not %s', async (_, change) => {
    const path = await parsed(leaf, middle, root)
    const certificatePath = change(path.map(({ fields }) => fields))
    const found = {
      result: true,
      resultCode: 0,
      resultMessage: 'another path',
      ...(certificatePath && { certificatePath }),
    }
    vi.spyOn(pkijs.CertificateChainValidationEngine.prototype, 'verify').mockResolvedValue(found)
    await expect(validateByLibrary(path, new Date())).rejects.toThrow(
      refusal('CHAIN_INVALID', { found: 'another path' }),
    )
  })
})

test('a chain without a more specific code is invalid', async () => {
  const [certificate] = await parsed(leaf)
  if (!certificate) throw new Error('no certificate')
  expect(invalid(certificate, 'why')).toMatchObject({ code: 'CHAIN_INVALID', found: 'why' })
})
