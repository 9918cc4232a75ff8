import { createHash, webcrypto } from 'node:crypto'
import * as asn1js from 'asn1js'
import { Attribute, OtherCertificateFormat } from 'pkijs'
import { describe, expect, test } from 'vitest'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { ModelSealError } from '../errors.ts'
import { snapshot } from '../snapshot.ts'
import { authority, inDays, issue, TIME_STAMPING, CODE_SIGNING, type Issued } from '../testing/authority.ts'
import { SIGNING_CERTIFICATE_V2, timestamp, timestampAuthority, type TimestampOptions } from '../testing/timestamp.ts'
import { Effort } from './effort.ts'
import { provenTime, statedTimeTrust, TIME_TRUST, timeOf, type TimeTrust } from './timestamp.ts'

const YEARS = { notBefore: inDays(-400), notAfter: inDays(400) }
const SIGNATURE = Buffer.from('a signature')
const CONTENT_TYPE = '1.2.840.113549.1.9.3'
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
const SIGNING_CERTIFICATE = '1.2.840.113549.1.9.16.2.12'

const tsa = await timestampAuthority(YEARS)

function bundleWith(...timestamps: Buffer[]): UnverifiedBundle {
  return { envelope: { signature: SIGNATURE }, timestamps, path: 'model.sigstore' } as unknown as UnverifiedBundle
}

function proven(timestamps: Buffer[], trust: TimeTrust = {}) {
  const timestampAuthorities = trust.timestampAuthorities ?? [tsa.root.der]
  return provenTime(bundleWith(...timestamps), statedTimeTrust({ ...trust, timestampAuthorities }))
}

/** How a timestamp is refused. */
async function refusal(timestamps: Buffer | Buffer[], trust: TimeTrust = {}) {
  const error = await proven([timestamps].flat(), trust).then(
    () => expect.fail('accepted'),
    (error: unknown) => error as ModelSealError,
  )
  expect(error).toBeInstanceOf(ModelSealError)
  return { code: error.code, found: error.found, file: error.file }
}

function invalid(found: string) {
  return { code: 'TIMESTAMP_INVALID', found: `"${found}"`, file: 'model.sigstore' }
}

function stamp(options: TimestampOptions = {}, by: Issued = tsa.signer): Promise<Buffer> {
  return timestamp(by, SIGNATURE, options)
}

describe('the proven time', () => {
  test('is unknown without trusted authorities, or without timestamps', async () => {
    expect(await proven([Buffer.from('anything')], { timestampAuthorities: [] })).toBeUndefined()
    expect(await provenTime(bundleWith(await stamp()), statedTimeTrust({}))).toBeUndefined()
    expect(await proven([])).toBeUndefined()
  })

  test('is that of the timestamp, within its accuracy', async () => {
    const at = inDays(-3)
    expect(await proven([await stamp({ at, accuracy: { seconds: 2, millis: 500 } })])).toEqual({
      at: at.toISOString(),
      source: 'rfc3161',
      authority: 'CN=Time Authority',
      earliest: new Date(at.getTime() - 2500),
      latest: new Date(at.getTime() + 2500),
      path: [tsa.signer.der, tsa.root.der],
    })
  })

  test('is that of the timestamp that is surely the earliest, and depends on the certificates of all', async () => {
    const other = await timestampAuthority(YEARS)
    const vague = await stamp({ at: inDays(-3), accuracy: { seconds: 2 * 24 * 60 * 60 } })
    const at = inDays(-2)
    const exact = await stamp({ at }, other.signer)
    const trust = { timestampAuthorities: [tsa.root.der, other.root.der] }
    for (const order of [
      [vague, exact],
      [exact, vague],
    ]) {
      const time = await proven(order, trust)
      expect(time?.at).toBe(at.toISOString())
      expect(new Set(time?.path.map((der) => der.toString('hex')))).toEqual(
        new Set([tsa.signer, tsa.root, other.signer, other.root].map(({ der }) => der.toString('hex'))),
      )
    }
  })

  test('is not proven if any timestamp is invalid, whatever the others say', async () => {
    const [sound, wrong] = [await stamp(), await stamp({ changedAfter: true })]
    expect(await refusal([sound, wrong])).toEqual(invalid('its content was modified'))
    expect(await refusal([wrong, sound])).toEqual(invalid('its content was modified'))
  })

  test('is in the result of a verification without its bounds', async () => {
    const at = inDays(-1)
    expect(timeOf(await proven([await stamp({ at })]))).toEqual({
      time: { at: at.toISOString(), source: 'rfc3161', authority: 'CN=Time Authority' },
      timestampPath: [tsa.signer.der, tsa.root.der],
    })
    expect(timeOf(undefined)).toEqual({})
  })

  test('must not be in the future, apart from its accuracy', async () => {
    const at = inDays(-5)
    const before = new Date(at.getTime() - 1)
    const exact = await stamp({ at })
    const future = invalid(`its time ${at.toISOString()} is in the future`)
    expect((await proven([exact], { now: at }))?.at).toBe(at.toISOString())
    expect(await refusal(exact, { now: before })).toEqual(future)
    const vague = await stamp({ at, accuracy: { seconds: 1 } })
    expect((await proven([vague], { now: new Date(at.getTime() - 1000) }))?.at).toBe(at.toISOString())
    expect(await refusal(vague, { now: new Date(at.getTime() - 1001) })).toEqual(future)
  })

  test('that is remembered must not be in the future, either', async () => {
    const [at, authorities] = [inDays(-5), [tsa.root.der]]
    const der = await stamp({ at })
    const judged = (now: Date) =>
      provenTime(bundleWith(der), statedTimeTrust({ timestampAuthorities: authorities, now }))
    expect((await judged(inDays(0)))?.at).toBe(at.toISOString())
    await expect(judged(inDays(-6))).rejects.toMatchObject(invalid(`its time ${at.toISOString()} is in the future`))
    expect((await judged(at))?.path).toEqual([tsa.signer.der, tsa.root.der])
  })

  test('is remembered for the same timestamps and signature only', async () => {
    const authorities = [tsa.root.der]
    const der = await stamp()
    const trust = () => statedTimeTrust({ timestampAuthorities: authorities })
    await provenTime(bundleWith(der), trust())
    const another = {
      ...bundleWith(der),
      envelope: { signature: Buffer.from('another') },
    } as unknown as UnverifiedBundle
    await expect(provenTime(another, trust())).rejects.toMatchObject(invalid('it does not cover this signature'))
    await expect(provenTime(bundleWith(der, await stamp({ changedAfter: true })), trust())).rejects.toMatchObject(
      invalid('its content was modified'),
    )
  })

  test('is remembered without another signature check, while none of the times is in the future', async () => {
    const [at, later, authorities] = [inDays(-5), inDays(-4), [tsa.root.der]]
    const both = [await stamp({ at }), await stamp({ at: later })]
    const judged = (now: Date, effort: Effort) =>
      provenTime(bundleWith(...both), statedTimeTrust({ timestampAuthorities: authorities, now, effort }))
    await judged(inDays(0), new Effort())
    expect((await judged(later, new Effort(undefined, 0)))?.at).toBe(at.toISOString())
    await expect(judged(new Date(later.getTime() - 1), new Effort())).rejects.toMatchObject(
      invalid(`its time ${later.toISOString()} is in the future`),
    )
  })

  test.each([1, 2])('is not looked for once the caller aborts before signature check %i', async (last) => {
    const controller = new AbortController()
    let checks = 0
    class Aborted extends Effort {
      override signatures(count?: number): Promise<void> {
        if (++checks === last) controller.abort()
        return super.signatures(count)
      }
    }
    expect(await refusal(await stamp(), { effort: new Aborted(controller.signal) })).toMatchObject({ code: 'ABORTED' })
    expect(checks).toBe(last)
  })

  test('is not looked for once the caller has aborted', async () => {
    const effort = new Effort(AbortSignal.abort())
    expect(await refusal(await stamp(), { effort })).toMatchObject({ code: 'ABORTED' })
  })

  test('is not looked for beyond the budget of signature checks', async () => {
    const { code, found } = await refusal(await stamp(), { effort: new Effort(undefined, 0) })
    expect([code, found]).toEqual(['TIMESTAMP_INVALID', expect.stringContaining('too many signature checks')])
    expect(await proven([await stamp()], { effort: new Effort(undefined, 2) })).toBeDefined()
  })
})

describe('a timestamp is invalid', () => {
  test('if it covers another signature', async () => {
    expect(await refusal(await stamp({ over: Buffer.from('another') }))).toEqual(
      invalid('it does not cover this signature'),
    )
  })

  test('if it names the trusted authority but was signed with another key', async () => {
    const { keys } = await timestampAuthority(YEARS).then(({ signer }) => signer)
    expect(await refusal(await stamp({}, { ...tsa.signer, keys }))).toEqual(invalid('its signature is not valid'))
  })

  test('if its content was changed', async () => {
    expect(await refusal(await stamp({ changedAfter: true }))).toEqual(invalid('its content was modified'))
  })

  test('if its hash is weak', async () => {
    expect(await refusal(await stamp({ hash: 'SHA-1' }))).toEqual(
      invalid('it has no signed attributes, or uses a weak hash'),
    )
    expect(await proven([await stamp({ hash: 'SHA-384' })])).toBeDefined()
  })

  test('if the key of its authority, or the algorithm of its signature, is weak', async () => {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]) }
    const rsa = async (modulusLength: number) => {
      const keys = await webcrypto.subtle.generateKey({ ...algorithm, modulusLength }, true, ['sign', 'verify'])
      return (await timestampAuthority({ ...YEARS, keys }, tsa.root)).signer
    }
    const weak = await refusal(await stamp({}, await rsa(1024)))
    expect(weak.code).toBe('TIMESTAMP_INVALID')
    expect(weak.found).toContain('1024')
    const withSha1 = await refusal(await stamp({ signatureAlgorithm: '1.2.840.10045.4.1' }))
    expect(withSha1.code).toBe('TIMESTAMP_INVALID')
    expect(withSha1.found).toContain('its signature is too weak: ')
    // RFC 3370 3.2: the algorithm may be RSA alone, with the hash beside it.
    expect(await proven([await stamp({ signatureAlgorithm: '1.2.840.113549.1.1.1' }, await rsa(2048))])).toBeDefined()
  })

  test.each([CONTENT_TYPE, MESSAGE_DIGEST])('if the attribute %s is missing, empty or has two values', async (type) => {
    const fault = invalid(`it does not have exactly one signed attribute ${type}`)
    expect(await refusal(await stamp({ without: [type] }))).toEqual(fault)
    const withValues = (change: (values: unknown[]) => unknown[]) =>
      stamp({
        change: (all) =>
          all.map((one) =>
            one.type === type
              ? new Attribute({ type, values: change(one.values as unknown[]) as asn1js.AsnType[] })
              : one,
          ),
      })
    expect(await refusal(await withValues(() => []))).toEqual(fault)
    expect(await refusal(await withValues((values) => [...values, ...values]))).toEqual(fault)
  })

  test('if an attribute occurs twice', async () => {
    const twice = await stamp({ change: (all) => [...all, ...all.slice(0, 1)] })
    expect(await refusal(twice)).toEqual(invalid('an attribute is duplicated'))
  })

  test('if it signs another kind of content', async () => {
    const values = [new asn1js.ObjectIdentifier({ value: '1.2.840.113549.1.7.1' })]
    const change = ([, ...others]: Attribute[]) => [new Attribute({ type: CONTENT_TYPE, values }), ...others]
    expect(await refusal(await stamp({ change }))).toEqual(invalid('it signs another kind of content'))
  })
})

describe('the certificate that a timestamp names', () => {
  const octets = (bytes: Buffer) => new asn1js.OctetString({ valueHex: Uint8Array.from(bytes).buffer })
  const sequence = (...value: asn1js.AsnType[]) => new asn1js.Sequence({ value })
  const digest = (hash: string, of: Issued = tsa.signer) => octets(createHash(hash).update(of.der).digest())
  const algorithm = (value: string) => sequence(new asn1js.ObjectIdentifier({ value }))
  const SHA384 = '2.16.840.1.101.3.4.2.2'

  /** A timestamp whose attribute of this type has such fields. */
  const naming = (type: string, ...fields: asn1js.AsnType[]) => attribute(type, sequence(sequence(sequence(...fields))))
  const attribute = (type: string, value: asn1js.AsnType) =>
    stamp({ without: [SIGNING_CERTIFICATE_V2], change: (all) => [...all, new Attribute({ type, values: [value] })] })

  const different = invalid('it names a different certificate than the one that signed it')

  test('is named by SHA-256, another algorithm that is stated, or SHA-1 in the first version', async () => {
    for (const der of [
      await naming(SIGNING_CERTIFICATE_V2, digest('sha256')),
      await naming(SIGNING_CERTIFICATE_V2, algorithm(SHA384), digest('sha384')),
      await naming(SIGNING_CERTIFICATE, digest('sha1')),
    ])
      expect(await proven([der])).toBeDefined()
  })

  test('must be the signing one', async () => {
    expect(await refusal(await stamp({ names: tsa.root }))).toEqual(different)
    for (const der of [
      await naming(SIGNING_CERTIFICATE_V2, digest('sha256', tsa.root)),
      await naming(SIGNING_CERTIFICATE_V2, algorithm(SHA384), digest('sha384', tsa.root)),
      await naming(SIGNING_CERTIFICATE, digest('sha1', tsa.root)),
    ])
      expect(await refusal(der)).toEqual(different)
  })

  test('must be named by the algorithm of its version, and by a strong one', async () => {
    for (const der of [
      await naming(SIGNING_CERTIFICATE_V2, digest('sha1')),
      await naming(SIGNING_CERTIFICATE_V2, digest('sha384')),
      await naming(SIGNING_CERTIFICATE_V2, algorithm('1.3.14.3.2.26'), digest('sha1')),
      await naming(SIGNING_CERTIFICATE, digest('sha256')),
      await naming(SIGNING_CERTIFICATE_V2, algorithm(SHA384)),
    ])
      expect(await refusal(der)).toEqual(different)
  })

  test('must be named', async () => {
    expect(await refusal(await stamp({ without: [SIGNING_CERTIFICATE_V2] }))).toEqual(
      invalid(`it does not have exactly one signed attribute ${SIGNING_CERTIFICATE}`),
    )
    for (const value of [octets(Buffer.from('no list')), sequence(), sequence(octets(Buffer.from('no list')))])
      expect(await refusal(await attribute(SIGNING_CERTIFICATE_V2, value))).toEqual(
        invalid('its signing certificate attribute is malformed'),
      )
  })
})

describe('a timestamp is untrusted', () => {
  const limits = 'its certificate is not limited to timestamps'

  test.each<[string, object]>([
    ['no extended usage', { extendedUsages: undefined }],
    ['a usage that is not critical', { extendedCritical: false }],
    ['a second usage', { extendedUsages: [TIME_STAMPING, CODE_SIGNING] }],
    ['another usage', { extendedUsages: [CODE_SIGNING] }],
  ])('if the certificate of the authority has %s', async (_, usage) => {
    const { signer } = await timestampAuthority({ ...YEARS, ...usage }, tsa.root)
    expect(await refusal(await stamp({}, signer))).toEqual({
      code: 'TIMESTAMP_UNTRUSTED',
      found: `"${limits}"`,
      file: 'model.sigstore',
    })
  })

  test('if its authority is not one of the trusted', async () => {
    const { root, signer } = await timestampAuthority(YEARS)
    const der = await stamp({}, signer)
    expect(await refusal(der)).toMatchObject({ code: 'TIMESTAMP_UNTRUSTED', file: 'model.sigstore' })
    expect(await proven([der], { timestampAuthorities: [tsa.root.der, root.der] })).toBeDefined()
  })

  test('if the certificate of its authority was not valid at that time', async () => {
    const { signer } = await timestampAuthority({ notBefore: inDays(-20), notAfter: inDays(-10) }, tsa.root)
    expect(await proven([await stamp({ at: inDays(-15) }, signer)])).toBeDefined()
    for (const at of [inDays(-21), inDays(-9)])
      expect(await refusal(await stamp({ at }, signer))).toMatchObject({ code: 'TIMESTAMP_UNTRUSTED' })
  })

  test('unless an intermediate authority of its chain is in it', async () => {
    const middle = await authority('Time Middle', { issuer: tsa.root, ...YEARS })
    const signer = await issue({
      subject: 'Time Authority',
      issuer: middle,
      usages: ['digitalSignature'],
      extendedUsages: [TIME_STAMPING],
      extendedCritical: true,
      ...YEARS,
    })
    expect(await refusal(await stamp({}, signer))).toMatchObject({ code: 'TIMESTAMP_UNTRUSTED' })
    expect(await proven([await stamp({}, signer)], { timestampAuthorities: [middle.der] })).toBeDefined()
    const withMiddle = await stamp({ certificates: [signer, middle] }, signer)
    expect((await proven([withMiddle]))?.path).toEqual([signer.der, middle.der, tsa.root.der])
  })

  test('unless what else it contains is no certificate', async () => {
    const other = new OtherCertificateFormat({ otherCertFormat: '1.3.6.1.4.1.99999.9', otherCert: new asn1js.Null() })
    const certificates = [{ ...tsa.signer, fields: other as unknown as Issued['fields'] }, tsa.signer]
    expect((await proven([await stamp({ certificates })]))?.path).toEqual([tsa.signer.der, tsa.root.der])
  })

  test('unless a certificate that it omits is a trusted one', async () => {
    const der = await stamp({ certificates: [] })
    expect(await refusal(der)).toEqual(invalid('it does not contain the certificate of its signer'))
    expect(await proven([der], { timestampAuthorities: [tsa.root.der, tsa.signer.der] })).toBeDefined()
  })

  test('if the certificate of its authority has no extensions', async () => {
    const signer = await issue({ subject: 'Time Authority', issuer: tsa.root, keyIds: false, ...YEARS })
    expect(await refusal(await stamp({}, signer))).toMatchObject({ code: 'TIMESTAMP_UNTRUSTED', found: `"${limits}"` })
  })
})

test('the budget of signature checks must be one', () => {
  const effort = new Effort()
  expect(snapshot({ effort }, TIME_TRUST, 'verify').effort).toBe(effort)
  for (const other of [{}, { signatures: 1 }, { turn: () => 0 }])
    expect(() => snapshot({ effort: other as unknown as Effort }, TIME_TRUST, 'verify')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', expected: 'an effort of a load' }),
    )
})
