import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { describe, expect, test } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { validateChain, type ChainInput } from './chain.ts'
import { authority, extension, inDays, revocationList, signingLeaf, type Issued } from '../../testing/authority.ts'

const root = await authority('Root')
const intermediate = await authority('Intermediate', { issuer: root })
const leaf = await signingLeaf(intermediate)
const rootList = await revocationList(root)
const leafList = await revocationList(intermediate)

async function refusal(crls: readonly Buffer[], more: Partial<ChainInput> = {}): Promise<ErrorCode | undefined> {
  return (await refused(crls, more))?.code
}

async function refused(crls: readonly Buffer[], more: Partial<ChainInput> = {}): Promise<ModelSealError | undefined> {
  try {
    await validateChain({ leaf: leaf.der, intermediates: [intermediate.der], roots: [root.der], crls, ...more })
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(ModelSealError)
    return error as ModelSealError
  }
}

/** How a list is refused that cannot be used. */
function unusable(found: string) {
  const expected = 'a complete list, signed by the authority that issued the certificate'
  return { code: 'CRL_INVALID', expected, found, message: expect.stringContaining('"CN=Intermediate"') }
}

/** The list of the leaf's authority with a change, signed again. */
async function changed(change: (list: pkijs.CertificateRevocationList) => void): Promise<Buffer> {
  const list = pkijs.CertificateRevocationList.fromBER(leafList)
  change(list)
  await list.sign(intermediate.keys.privateKey, 'SHA-256')
  return Buffer.from(list.toSchema(true).toBER())
}

function undecodable(extnID: string): pkijs.Extension {
  return new pkijs.Extension({ extnID, critical: false, extnValue: new Uint8Array([0x30, 0x7f]).buffer })
}

const scope = (values: Partial<pkijs.IssuingDistributionPoint>) =>
  extension('2.5.29.28', true, new pkijs.IssuingDistributionPoint(values).toSchema())

describe('with revocation lists', () => {
  test('accepts a chain that none of them names', async () => {
    const other = await signingLeaf(intermediate)
    const list = await revocationList(intermediate, { revoked: [{ certificate: other }] })
    expect(await refusal([rootList, list])).toBeUndefined()
  })

  test('refuses a revoked leaf or intermediate', async () => {
    const ofLeaf = await revocationList(intermediate, { revoked: [{ certificate: leaf }] })
    const serial = ({ fields }: Issued) => Buffer.from(fields.serialNumber.valueBlock.valueHexView).toString('hex')
    expect(await refused([rootList, ofLeaf])).toMatchObject({
      code: 'CERTIFICATE_REVOKED',
      found: `serial number ${serial(leaf)} in the list of "CN=Intermediate"`,
      message: expect.stringContaining('"CN=Signer" was revoked'),
    })
    const ofIntermediate = await revocationList(root, { revoked: [{ certificate: intermediate }] })
    expect(await refused([ofIntermediate, leafList])).toMatchObject({
      code: 'CERTIFICATE_REVOKED',
      found: `serial number ${serial(intermediate)} in the list of "CN=Root"`,
      message: expect.stringContaining('"CN=Intermediate" was revoked'),
    })
  })

  test('looks up a certificate in every list of its issuer, each of which must be current', async () => {
    const times = { thisUpdate: inDays(-3), nextUpdate: inDays(3) }
    const revoking = await revocationList(intermediate, { ...times, revoked: [{ certificate: leaf, at: inDays(-3) }] })
    const stale = await revocationList(intermediate, { ...times, nextUpdate: inDays(-2) })
    const newer = await revocationList(intermediate, { ...times, thisUpdate: inDays(-1) })
    for (const [list, code] of [
      [revoking, 'CERTIFICATE_REVOKED'],
      [stale, 'CRL_STALE'],
    ] as const)
      for (const lists of [
        [list, newer],
        [newer, list],
      ])
        expect(await refusal(lists)).toBe(code)
    expect(await refusal([newer, newer])).toBeUndefined()
  })

  test('accepts a certificate with a serial number that another authority revoked', async () => {
    const other = await authority('Other', { issuer: root })
    const list = await revocationList(other, { revoked: [{ certificate: leaf }] })
    expect(await refusal([leafList, list])).toBeUndefined()
  })

  test("requires the list of the leaf's issuer, and looks up an authority if its list is given", async () => {
    const missing = { code: 'CRL_MISSING', expected: 'a list of "CN=Intermediate"', found: 'none' }
    expect(await refused([rootList])).toMatchObject(missing)
    expect(await refusal([leafList])).toBeUndefined()
    for (const other of [scope({ onlyContainsCACerts: true }), scope({ onlyContainsAttributeCerts: true })])
      expect(await refused([await revocationList(intermediate, { extensions: [other] })])).toMatchObject(missing)
    const numbered = [
      extension('2.5.29.20', false, new asn1js.Integer({ value: 7 })),
      scope({ onlyContainsCACerts: true }),
    ]
    expect(await refused([await revocationList(intermediate, { extensions: numbered })])).toMatchObject(missing)
    const authorities = await revocationList(root, { extensions: [scope({ onlyContainsCACerts: true })] })
    expect(await refusal([authorities, leafList])).toBeUndefined()
    const revoked = [{ certificate: intermediate }]
    const ofAuthorities = { revoked, extensions: [scope({ onlyContainsCACerts: true })] }
    expect(await refusal([await revocationList(root, ofAuthorities), leafList])).toBe('CERTIFICATE_REVOKED')
    const ofUsers = [scope({ onlyContainsUserCerts: true })]
    expect(await refusal([await revocationList(intermediate, { extensions: ofUsers })])).toBeUndefined()
    const users = await revocationList(root, {
      revoked: [{ certificate: intermediate }],
      extensions: [scope({ onlyContainsUserCerts: true })],
    })
    expect(await refusal([users, leafList])).toBeUndefined()
  })

  test('refuses a list that is stale, from the future, or without an end', async () => {
    expect(await refusal([await revocationList(intermediate, { nextUpdate: inDays(-0.5) })])).toBe('CRL_STALE')
    expect(await refusal([await revocationList(intermediate, { thisUpdate: inDays(1) })])).toBe('CRL_STALE')
    expect(await refusal([await revocationList(root, { nextUpdate: inDays(-0.5) }), leafList])).toBe('CRL_STALE')
    expect(await refusal([leafList], { at: inDays(8) })).toBe('CRL_STALE')
    expect(await refused([await changed((list) => delete list.nextUpdate)])).toMatchObject({
      code: 'CRL_STALE',
      found: expect.stringMatching(/to no stated end$/),
    })
  })

  test('accepts a list from its first to its last moment', async () => {
    const [thisUpdate, nextUpdate] = [inDays(1), inDays(2)]
    const list = await revocationList(intermediate, { thisUpdate, nextUpdate })
    for (const at of [thisUpdate, nextUpdate]) expect(await refusal([list], { at })).toBeUndefined()
    for (const at of [new Date(thisUpdate.getTime() - 1), new Date(nextUpdate.getTime() + 1)])
      expect(await refused([list], { at })).toMatchObject({
        code: 'CRL_STALE',
        expected: `one that is valid at ${at.toISOString()}`,
        found: `one from ${thisUpdate.toISOString()} to ${nextUpdate.toISOString()}`,
      })
  })

  test('refuses a list signed by another key, or by an issuer that may not sign lists', async () => {
    const foreign = unusable('a signature by a key other than that of the issuer')
    expect(await refused([await revocationList(intermediate, { signer: root })])).toMatchObject(foreign)
    expect(await refused([await revocationList(await authority('Intermediate'))])).toMatchObject(foreign)
    // pkijs cannot verify with such a key.
    const other = await authority('Intermediate', { issuer: root, algorithm: 'Ed25519' })
    const byOther = { leaf: (await signingLeaf(other)).der, intermediates: [other.der] }
    expect(await refused([await revocationList(other, { signer: root })], byOther)).toMatchObject(foreign)

    const mute = await authority('Mute', { issuer: root, usages: ['keyCertSign'] })
    const signer = await signingLeaf(mute)
    const more = { leaf: signer.der, intermediates: [mute.der] }
    expect(await refused([await revocationList(mute)], more)).toMatchObject({
      code: 'CRL_INVALID',
      found: 'an issuer without the key usage cRLSign',
    })
    expect(await refusal([], more)).toBeUndefined()
  })

  test('reads lists with thousands of certificates', async () => {
    const other = await signingLeaf(intermediate)
    const others = Array.from({ length: 3_999 }, () => ({ certificate: other }))
    const long = await revocationList(intermediate, { revoked: [...others, { certificate: leaf }] })
    expect(await refusal([rootList, long])).toBe('CERTIFICATE_REVOKED')
  })

  test('refuses a list with a weak signature', async () => {
    expect(await refused([await revocationList(intermediate, { hash: 'SHA-1' })])).toMatchObject(
      unusable('a signature that is too weak: the algorithm SHA-1 with ECDSA'),
    )
  })

  test('refuses a list that is too long, or says something twice or in two ways', async () => {
    const twice = [1, 2].map((value) => extension('2.5.29.20', false, new asn1js.Integer({ value })))
    const list = pkijs.CertificateRevocationList.fromBER(leafList)
    list.signature = new pkijs.AlgorithmIdentifier({ algorithmId: '1.2.3' })
    const [tag, sizes, rest] = [leafList.subarray(0, 1), leafList.subarray(2, 4), leafList.subarray(4)]
    const longer = Buffer.concat([tag, Buffer.from([0x83, 0]), sizes, rest])
    for (const [der, found] of [
      [Buffer.alloc(4 * 1024 * 1024 + 1), 'it has 4194305 bytes, more than is supported'],
      [Buffer.concat([leafList, Buffer.alloc(1)]), 'it is not DER, or something follows it'],
      [longer, 'it is not DER, or something follows it'],
      [Buffer.alloc(0), 'it is not DER, or something follows it'],
      [Buffer.from([0x30]), 'it is not DER, or something follows it'],
      [Buffer.from('-----BEGIN X509 CRL-----'), 'it is not DER, or something follows it'],
      [await revocationList(intermediate, { extensions: twice }), 'an extension is duplicated'],
      [Buffer.from(list.toSchema(true).toBER()), 'it names two different signature algorithms'],
    ] as const)
      expect(await refused([der])).toMatchObject({ code: 'CRL_INVALID', found: `"${found}"` })
    expect((await refused([Buffer.alloc(4 * 1024 * 1024)]))?.found).not.toContain('bytes')
  })

  test('refuses a list that was modified, truncated, or has trailing data', async () => {
    const spoiled = Buffer.from(leafList)
    spoiled[spoiled.length - 3]! ^= 1
    expect(await refusal([spoiled])).toBe('CRL_INVALID')
    for (const der of [Buffer.alloc(0), leafList.subarray(0, 50), Buffer.concat([leafList, Buffer.alloc(1)]), leaf.der])
      expect(await refusal([der])).toBe('CRL_INVALID')
  })

  test('refuses a list with a critical extension that is not understood, on the list or an entry', async () => {
    const foreign = extension('1.3.6.1.4.1.99999.2', true, new asn1js.Null())
    expect(await refused([await revocationList(intermediate, { extensions: [foreign] })])).toMatchObject(
      unusable('the critical extension 1.3.6.1.4.1.99999.2'),
    )
    const other: Issued = await signingLeaf(intermediate)
    const entry = await revocationList(intermediate, { revoked: [{ certificate: other, extensions: [foreign] }] })
    expect(await refused([entry])).toMatchObject(unusable('an entry with the critical extension 1.3.6.1.4.1.99999.2'))
  })

  test('accepts critical extensions that are understood, and others that are not critical', async () => {
    const other = await signingLeaf(intermediate)
    const unknown = extension('1.3.6.1.4.1.99999.2', false, new asn1js.Null())
    const keyIdentifier = new asn1js.OctetString({ valueHex: new Uint8Array(20).buffer })
    const list = await revocationList(intermediate, {
      extensions: [
        extension('2.5.29.20', true, new asn1js.Integer({ value: 7 })),
        extension('2.5.29.35', true, new pkijs.AuthorityKeyIdentifier({ keyIdentifier }).toSchema()),
        scope({}),
        unknown,
      ],
      revoked: [
        {
          certificate: other,
          extensions: [
            extension('2.5.29.21', true, new asn1js.Enumerated({ value: 1 })),
            extension('2.5.29.24', true, new asn1js.GeneralizedTime({ valueDate: inDays(-1) })),
            unknown,
          ],
        },
      ],
    })
    expect(await refusal([list])).toBeUndefined()
  })

  test('refuses delta lists, indirect ones, and those of some reasons', async () => {
    const delta = extension('2.5.29.27', true, new asn1js.Integer({ value: 1 }))
    const point = new pkijs.GeneralName({ type: 6, value: 'https://a.example/crl' })
    const partial = 'a list that covers only some of the certificates, or is by another issuer'
    for (const [part, found] of [
      [delta, 'the critical extension 2.5.29.27'],
      [scope({ indirectCRL: true }), partial],
      [scope({ onlySomeReasons: 1 }), partial],
      [scope({ distributionPoint: [point] }), partial],
    ] as const)
      expect(await refused([await revocationList(intermediate, { extensions: [part] })])).toMatchObject(unusable(found))
  })

  test('refuses a list whose scope cannot be read, even if it is not critical', async () => {
    for (const part of [undecodable('2.5.29.28'), extension('2.5.29.28', false, new asn1js.Null())])
      expect(await refused([await revocationList(intermediate, { extensions: [part] })])).toMatchObject(
        unusable('a scope that cannot be read'),
      )
  })

  test('refuses more lists than any real chain has', async () => {
    expect(await refused(Array.from({ length: 33 }, () => leafList))).toMatchObject({
      code: 'CHAIN_TOO_LARGE',
      expected: 'at most 32',
      found: '33',
    })
    expect(await refusal(Array.from({ length: 32 }, () => leafList))).toBeUndefined()
  })
})

describe('with revocation lists that are current after the time of the signature', () => {
  const at = inDays(-0.5)
  const crlsAt = new Date()

  test('a revocation before that time applies, a later one does not', async () => {
    const before = await revocationList(intermediate, { revoked: [{ certificate: leaf, at: inDays(-0.75) }] })
    expect(await refusal([before], { at, crlsAt })).toBe('CERTIFICATE_REVOKED')
    const after = await revocationList(intermediate, { revoked: [{ certificate: leaf, at: inDays(-0.25) }] })
    expect(await refusal([after], { at, crlsAt })).toBeUndefined()
    expect(await refusal([after])).toBe('CERTIFICATE_REVOKED')
  })

  test('a later revocation applies if the key was lost before', async () => {
    const lost = extension('2.5.29.24', false, new asn1js.GeneralizedTime({ valueDate: inDays(-0.75) }))
    const list = await revocationList(intermediate, {
      revoked: [{ certificate: leaf, at: inDays(-0.25), extensions: [lost] }],
    })
    expect(await refusal([list], { at, crlsAt })).toBe('CERTIFICATE_REVOKED')
  })
  test('a revocation at that very time applies', async () => {
    const list = await revocationList(intermediate, { revoked: [{ certificate: leaf, at }] })
    expect(await refusal([list], { at, crlsAt })).toBe('CERTIFICATE_REVOKED')
  })

  test('a revocation that is yet to come applies if there is no proof of an earlier time', async () => {
    const list = await revocationList(intermediate, { revoked: [{ certificate: leaf, at: inDays(0.5) }] })
    expect(await refusal([list])).toBe('CERTIFICATE_REVOKED')
  })

  test('an earlier revocation applies even if the key was lost later', async () => {
    const lost = extension('2.5.29.24', false, new asn1js.GeneralizedTime({ valueDate: inDays(-0.25) }))
    const revoked = [{ certificate: leaf, at: inDays(-0.75), extensions: [lost] }]
    expect(await refusal([await revocationList(intermediate, { revoked })], { at, crlsAt })).toBe('CERTIFICATE_REVOKED')
  })

  test('the reason of a later revocation changes nothing', async () => {
    const reason = extension('2.5.29.21', false, new asn1js.Enumerated({ value: 1 }))
    const revoked = [{ certificate: leaf, at: inDays(-0.25), extensions: [reason] }]
    expect(await refusal([await revocationList(intermediate, { revoked })], { at, crlsAt })).toBeUndefined()
  })

  test('a later revocation does not apply if the key was lost after that time', async () => {
    for (const days of [-0.4, -0.1]) {
      const lost = extension('2.5.29.24', false, new asn1js.GeneralizedTime({ valueDate: inDays(days) }))
      const revoked = [{ certificate: leaf, at: inDays(-0.25), extensions: [lost] }]
      expect(await refusal([await revocationList(intermediate, { revoked })], { at, crlsAt })).toBeUndefined()
    }
  })

  test('a later revocation applies if it cannot be read when the key was lost', async () => {
    for (const lost of [undecodable('2.5.29.24'), extension('2.5.29.24', false, new asn1js.Null())]) {
      const revoked = [{ certificate: leaf, at: inDays(-0.25), extensions: [lost] }]
      const list = await revocationList(intermediate, { revoked })
      expect(await refusal([list], { at, crlsAt })).toBe('CERTIFICATE_REVOKED')
    }
  })
})
