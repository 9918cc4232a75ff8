import { describe, expect, test } from 'vitest'
import { authority, CODE_SIGNING, SERVER_AUTH, signingLeaf, TIME_STAMPING } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { checkNesting, USAGE_NAMES, type Usage } from './usage.ts'

const ANY = '2.5.29.37.0'
type Usages = readonly string[] | undefined

/** A path of a leaf, an authority and a root with these extended key usages. */
async function path(...[leaf, middle, top]: readonly [Usages, Usages, Usages]) {
  const stated = (extendedUsages: Usages) => (extendedUsages ? { extendedUsages } : {})
  const root = await authority('Root', stated(top))
  const issuer = await authority('Middle', { issuer: root, ...stated(middle) })
  const signer = await signingLeaf(issuer, stated(leaf))
  return Promise.all([signer, issuer, root].map(({ der }) => parseCertificate(der)))
}

describe('the extended key usages of a path', () => {
  test.each<[string, Usages, Usages, Usages, Usage | undefined]>([
    ['none', undefined, undefined, undefined, undefined],
    ['none, whatever is wanted', undefined, undefined, undefined, 'codeSigning'],
    ['the same', [CODE_SIGNING], [CODE_SIGNING], [CODE_SIGNING], 'codeSigning'],
    ['fewer with each certificate', [CODE_SIGNING], [CODE_SIGNING, SERVER_AUTH], [ANY], undefined],
    ['any', [ANY], [CODE_SIGNING], undefined, 'codeSigning'],
    ['time stamping', [TIME_STAMPING], [TIME_STAMPING], undefined, 'timeStamping'],
  ])('may be %s', async (_, leaf, middle, top, wanted) => {
    const certificates = await path(leaf, middle, top)
    expect(() => {
      checkNesting(certificates, wanted)
    }).not.toThrow()
  })

  const [code, server] = [`${CODE_SIGNING} (codeSigning)`, `${SERVER_AUTH} (serverAuth)`]
  test.each<[string, Usages, Usages, Usages, Usage | undefined, string, string, string]>([
    ['the authority may not issue', [CODE_SIGNING], [SERVER_AUTH], undefined, undefined, 'Signer', server, code],
    [
      'the root may not issue, whatever stands between',
      [CODE_SIGNING],
      undefined,
      [SERVER_AUTH, TIME_STAMPING],
      undefined,
      'Signer',
      `${server} or ${TIME_STAMPING} (timeStamping)`,
      code,
    ],
    [
      'is not the wanted one',
      [CODE_SIGNING, SERVER_AUTH],
      undefined,
      undefined,
      'timeStamping',
      'Signer',
      'timeStamping',
      `${code}, ${server}`,
    ],
    [
      'the authority may not issue for what is wanted',
      undefined,
      [SERVER_AUTH],
      undefined,
      'codeSigning',
      'Middle',
      'codeSigning',
      server,
    ],
    [
      'two authorities do not share',
      [CODE_SIGNING],
      [CODE_SIGNING, SERVER_AUTH],
      [SERVER_AUTH, TIME_STAMPING],
      undefined,
      'Signer',
      server,
      code,
    ],
  ])('may not be one that %s', async (...[, leaf, middle, top, wanted, name, expected, found]) => {
    const certificates = await path(leaf, middle, top)
    expect(() => {
      checkNesting(certificates, wanted)
    }).toThrow(
      refusal('CERTIFICATE_USAGE', {
        expected: `the extended key usage ${expected}`,
        found,
        message: expect.stringContaining(`"CN=${name}"`),
      }),
    )
  })
})

test('the purposes that a chain may be validated for', () => {
  expect(USAGE_NAMES).toEqual(['codeSigning', 'timeStamping'])
})
