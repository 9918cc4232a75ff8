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
  try {
    await validateChain({ leaf: leaf.der, intermediates: [intermediate.der], roots: [root.der], crls, ...more })
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(ModelSealError)
    return (error as ModelSealError).code
  }
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
    expect(await refusal([rootList, ofLeaf])).toBe('CERTIFICATE_REVOKED')
    const ofIntermediate = await revocationList(root, { revoked: [{ certificate: intermediate }] })
    expect(await refusal([ofIntermediate, leafList])).toBe('CERTIFICATE_REVOKED')
  })

  test('accepts a certificate with a serial number that another authority revoked', async () => {
    const other = await authority('Other', { issuer: root })
    const list = await revocationList(other, { revoked: [{ certificate: leaf }] })
    expect(await refusal([leafList, list])).toBeUndefined()
  })

  test("requires the list of the leaf's issuer, and looks up an authority if its list is given", async () => {
    expect(await refusal([rootList])).toBe('CRL_MISSING')
    expect(await refusal([leafList])).toBeUndefined()
    expect(
      await refusal([await revocationList(intermediate, { extensions: [scope({ onlyContainsCACerts: true })] })]),
    ).toBe('CRL_MISSING')
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
  })

  test('refuses a list signed by another key, or by an issuer that may not sign lists', async () => {
    expect(await refusal([await revocationList(intermediate, { signer: root })])).toBe('CRL_INVALID')
    expect(await refusal([await revocationList(await authority('Intermediate'))])).toBe('CRL_INVALID')

    const mute = await authority('Mute', { issuer: root, usages: ['keyCertSign'] })
    const signer = await signingLeaf(mute)
    const more = { leaf: signer.der, intermediates: [mute.der] }
    expect(await refusal([await revocationList(mute)], more)).toBe('CRL_INVALID')
    expect(await refusal([], more)).toBeUndefined()
  })

  test('refuses a list that was modified, truncated, or has trailing data', async () => {
    const changed = Buffer.from(leafList)
    changed[changed.length - 3]! ^= 1
    expect(await refusal([changed])).toBe('CRL_INVALID')
    for (const der of [Buffer.alloc(0), leafList.subarray(0, 50), Buffer.concat([leafList, Buffer.alloc(1)]), leaf.der])
      expect(await refusal([der])).toBe('CRL_INVALID')
  })

  test('refuses a list with a critical extension that is not understood, on the list or an entry', async () => {
    const foreign = extension('1.3.6.1.4.1.99999.2', true, new asn1js.Null())
    expect(await refusal([await revocationList(intermediate, { extensions: [foreign] })])).toBe('CRL_INVALID')
    const other: Issued = await signingLeaf(intermediate)
    const entry = await revocationList(intermediate, { revoked: [{ certificate: other, extensions: [foreign] }] })
    expect(await refusal([entry])).toBe('CRL_INVALID')
  })

  test('refuses delta lists, indirect ones, and those of some reasons', async () => {
    const delta = extension('2.5.29.27', true, new asn1js.Integer({ value: 1 }))
    for (const part of [delta, scope({ indirectCRL: true }), scope({ onlySomeReasons: 1 })])
      expect(await refusal([await revocationList(intermediate, { extensions: [part] })])).toBe('CRL_INVALID')
  })

  test('refuses more lists than any real chain has', async () => {
    expect(await refusal(Array.from({ length: 33 }, () => leafList))).toBe('CHAIN_TOO_LARGE')
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
})
