import { beforeAll, describe, expect, test } from 'vitest'
import { readSmallFile } from '../../source/read-small-file.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { TestSigstore, type BundleJson } from '../../testing/sigstore.ts'
import { parseSigningConfig, parseTrustConfig, readTrustConfig, TRUST_CONFIG_FILE } from './trust-config.ts'

const PREFIX = 'application/vnd.dev.sigstore.'
const SERVICE = { url: 'https://service.test', majorApiVersion: 1, validFor: { start: '2020-01-01T00:00:00Z' } }
const signingConfig = {
  mediaType: `${PREFIX}signingconfig.v0.2+json`,
  caUrls: [SERVICE],
  rekorTlogUrls: [SERVICE],
  rekorTlogConfig: { selector: 'ANY' },
  tsaConfig: { selector: 'ANY' },
}
const bytesOf = (json: unknown) => Buffer.from(JSON.stringify(json))
let root: BundleJson
beforeAll(async () => {
  root = await new TestSigstore().root()
})

describe('a trust configuration', () => {
  test.each(['trustedroot+json;version=0.1', 'trustedroot.v0.1+json', 'trustedroot.v0.2+json'])(
    'may be a bare trusted root of the type %s',
    async (type) => {
      const bytes = bytesOf({ ...root, mediaType: PREFIX + type })
      const config = await parseTrustConfig(bytes)
      expect(config.text).toEqual(bytes)
      expect(config.signingConfig).toBeUndefined()
      expect(config.trustedRoot.tlogs.map(({ baseUrl }) => baseUrl)).toEqual(['https://rekor.test'])
    },
  )

  test('may have the services of the instance, too', async () => {
    const mediaType = `${PREFIX}clienttrustconfig.v0.1+json`
    const config = await parseTrustConfig(bytesOf({ mediaType, trustedRoot: root, signingConfig }))
    expect(config.signingConfig?.caUrls[0]?.url).toBe('https://service.test')
    const text = config.text.toString()
    expect(text.endsWith('}\n')).toBe(true)
    expect(text).toContain('\n  "mediaType"')
    expect((await parseTrustConfig(config.text)).trustedRoot).toEqual(config.trustedRoot)
  })

  test.each([
    'trustedroot+json;version=0.2',
    'trustedroot.v0.3+json',
    'trustedroot.v0.1+json;x',
    'clienttrustconfig.v0.1+json;x',
    'clienttrustconfig.v0.2+json',
    'signingconfig.v0.2+json',
  ])('is not of the type %s', async (type) => {
    const mediaType = PREFIX + type
    for (const wrong of [mediaType, mediaType.replace('.v0.1', 'xv0.1')])
      await expect(parseTrustConfig(bytesOf({ ...root, mediaType: wrong }), 'root.json')).rejects.toThrow(
        refusal('TRUST_ROOT_INVALID', {
          file: 'root.json',
          expected: 'the media type of a trusted root or of a ClientTrustConfig',
          found: `"${wrong}"`,
        }),
      )
  })

  test('has a media type that is all of the text', async () => {
    for (const type of ['trustedroot.v0.1+json', 'clienttrustconfig.v0.1+json'])
      await expect(parseTrustConfig(bytesOf({ ...root, mediaType: `x ${PREFIX}${type}` }))).rejects.toThrow(
        refusal('TRUST_ROOT_INVALID', { found: `"x ${PREFIX}${type}"` }),
      )
  })

  test.each(['certificateAuthorities', 'tlogs'])('is refused without any of the %s', async (name) => {
    await expect(parseTrustConfig(bytesOf({ ...root, [name]: [] }), 'root.json')).rejects.toThrow(
      refusal('TRUST_ROOT_INVALID', {
        file: 'root.json',
        found: '"it names no certificate authority, or no transparency log"',
        hint: expect.stringContaining('operator'),
      }),
    )
    const mediaType = `${PREFIX}clienttrustconfig.v0.1+json`
    await expect(parseTrustConfig(bytesOf({ mediaType }))).rejects.toThrow(
      refusal('TRUST_ROOT_INVALID', { found: '"it names no certificate authority, or no transparency log"' }),
    )
  })

  test('is refused if it is no object, not strict JSON, or not of the form of its type', async () => {
    await expect(parseTrustConfig(bytesOf([]), 'root.json')).rejects.toThrow(
      refusal('TRUST_ROOT_INVALID', { file: 'root.json' }),
    )
    await expect(parseTrustConfig(Buffer.from('{"a":1,"a":1}'), 'root.json')).rejects.toThrow(
      refusal('JSON_DUPLICATE_KEY', {
        file: 'root.json',
        message: expect.stringContaining('Sigstore trust configuration'),
      }),
    )
    await expect(parseTrustConfig(bytesOf({ ...root, tlogs: [{ hashAlgorithm: 'MD5' }] }))).rejects.toThrow(
      refusal('TRUST_ROOT_INVALID', { found: expect.stringContaining('MD5') }),
    )
  })

  test('is not completed from Object.prototype', async () => {
    const { tlogs, ...others } = root
    Object.defineProperty(Object.prototype, 'tlogs', { configurable: true, value: tlogs })
    try {
      await expect(parseTrustConfig(bytesOf(others))).rejects.toThrow(refusal('TRUST_ROOT_INVALID'))
    } finally {
      Reflect.deleteProperty(Object.prototype, 'tlogs')
    }
  })

  test('is read from a file of at most 4 MiB', async () => {
    const path = `${scratch({ 'root.json': bytesOf(root) })}/root.json`
    expect((await readTrustConfig(path, readSmallFile)).text).toEqual(bytesOf(root))
    expect(TRUST_CONFIG_FILE).toMatchObject({ maxBytes: 4_194_304, what: 'Sigstore trust configuration' })
    const junk = `${scratch({ 'root.json': '{}' })}/root.json`
    await expect(readTrustConfig(junk, readSmallFile)).rejects.toThrow(refusal('TRUST_ROOT_INVALID', { file: junk }))
  })
})

describe('a signing configuration', () => {
  test('names the services', async () => {
    const { caUrls } = await parseSigningConfig(bytesOf(signingConfig))
    expect(caUrls.map(({ url }) => url)).toEqual(['https://service.test'])
  })

  test('is refused if it is of another version, or not of its form', async () => {
    const refused = (found: unknown) =>
      refusal('SIGNING_CONFIG_INVALID', { file: 'signing.json', found, hint: expect.stringContaining('version 0.2') })
    const mediaType = `${PREFIX}signingconfig.v0.1+json`
    await expect(parseSigningConfig(bytesOf({ ...signingConfig, mediaType }), 'signing.json')).rejects.toThrow(
      refused(`"the media type ${mediaType}"`),
    )
    const tsaConfig = { selector: 'SOME' }
    await expect(parseSigningConfig(bytesOf({ ...signingConfig, tsaConfig }), 'signing.json')).rejects.toThrow(
      refused(expect.stringContaining('SOME')),
    )
    await expect(parseSigningConfig(bytesOf({}), 'signing.json')).rejects.toThrow(
      refusal('SIGNING_CONFIG_INVALID', { file: 'signing.json' }),
    )
    await expect(parseSigningConfig(Buffer.from('{'), 'signing.json')).rejects.toThrow(
      refusal('JSON_INVALID', {
        file: 'signing.json',
        message: expect.stringContaining('Sigstore signing configuration'),
      }),
    )
  })
})
