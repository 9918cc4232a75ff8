import * as asn1js from 'asn1js'
import { describe, expect, test } from 'vitest'
import { authority, extension, inDays, issue, signingLeaf, type Issued } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { validateChain, type ChainInput } from './chain.ts'

const root = await authority('Root')
const intermediate = await authority('Intermediate', { issuer: root })

function validated(leaf: Issued, above: readonly Issued[], more: Partial<ChainInput> = {}) {
  const intermediates = above.map(({ der }) => der)
  return validateChain({ leaf: leaf.der, intermediates, roots: [root.der], ...more })
}

describe('the refusal of a chain says', () => {
  test('when a certificate is valid, which is from its first to its last moment', async () => {
    const [notBefore, notAfter] = [inDays(-3), inDays(-2)]
    const leaf = await signingLeaf(intermediate, { notBefore, notAfter })
    const middle = await authority('Intermediate', { issuer: root, keys: intermediate.keys, notBefore, notAfter })
    const other = { notBefore: inDays(-9), notAfter: inDays(9) }
    const lasting = [
      await authority('Intermediate', { issuer: root, keys: intermediate.keys, ...other }),
      await authority('Root', { keys: root.keys, ...other }),
    ] as const
    const roots = [lasting[1].der]
    const expected = `a time from ${notBefore.toISOString()} to ${notAfter.toISOString()}`
    const signer = await signingLeaf(intermediate, other)
    for (const [one, above, name] of [
      [leaf, lasting[0], 'Signer'],
      [signer, middle, 'Intermediate'],
    ] as const) {
      for (const at of [notBefore, notAfter]) expect(await validated(one, [above], { at, roots })).toBeDefined()
      const early = new Date(notBefore.getTime() - 1)
      await expect(validated(one, [above], { at: early, roots })).rejects.toThrow(
        refusal('CERTIFICATE_NOT_YET_VALID', {
          expected,
          found: early.toISOString(),
          message: expect.stringContaining(`"CN=${name}" is not yet valid`),
          hint: expect.stringContaining('clock'),
        }),
      )
      const late = new Date(notAfter.getTime() + 1)
      await expect(validated(one, [above], { at: late, roots })).rejects.toThrow(
        refusal('CERTIFICATE_EXPIRED', {
          expected,
          found: late.toISOString(),
          message: expect.stringContaining(`"CN=${name}" has expired`),
          hint: expect.stringContaining('timestamp'),
        }),
      )
    }
  })

  test('how many authorities one allows below it', async () => {
    const limited = await authority('Limited', { issuer: root, pathLength: 0 })
    const below = await authority('Below', { issuer: limited })
    await expect(validated(await signingLeaf(below), [below, limited])).rejects.toThrow(
      refusal('CHAIN_PATH_LENGTH', {
        expected: 'at most 0',
        found: '1',
        message: expect.stringContaining('"CN=Limited"'),
      }),
    )
  })

  test('that a limit on the authorities below cannot be read', async () => {
    const limit = new asn1js.Integer({ valueHex: new Uint8Array(9).fill(1).buffer })
    const value = new asn1js.Sequence({ value: [new asn1js.Boolean({ value: true }), limit] })
    const extensions = [extension('2.5.29.19', true, value)]
    const middle = await issue({ subject: 'Limited', issuer: root, usages: ['keyCertSign'], extensions })
    await expect(validated(await signingLeaf(middle), [middle])).rejects.toThrow(
      refusal('CHAIN_PATH_LENGTH', { expected: 'a readable limit', found: '0' }),
    )
  })

  test('that an issuer has a different name, which spaces and case do not hide from the search', async () => {
    const namesake = await authority('INTER mediate', { keys: intermediate.keys })
    const leaf = await signingLeaf(namesake, { keyIds: false })
    await expect(validated(leaf, [intermediate])).rejects.toThrow(
      refusal('CHAIN_INVALID', {
        found: 'its issuer has a different name',
        message: expect.stringContaining('"CN=Signer"'),
      }),
    )
  })

  test('that an issuer further up has a different name', async () => {
    const namesake = await authority('RO ot', { keys: root.keys })
    const middle = await authority('Middle', { issuer: namesake, keyIds: false })
    await expect(validated(await signingLeaf(middle), [middle])).rejects.toThrow(
      refusal('CHAIN_INVALID', {
        found: 'its issuer has a different name',
        message: expect.stringContaining('"CN=Middle"'),
      }),
    )
  })

  test('which issuers may not be authorities', async () => {
    const middle = await issue({ subject: 'Middle', issuer: root, usages: ['keyCertSign'] })
    await expect(validated(await signingLeaf(middle), [middle])).rejects.toThrow(
      refusal('CHAIN_NOT_CA', {
        expected: 'the basic constraint CA on each issuer, and the key usage keyCertSign if it states key usages',
        found: '"CN=Middle", "CN=Root"',
        message: expect.stringContaining('"CN=Signer"'),
      }),
    )
  })

  test('how many roots it does not lead to', async () => {
    const leaf = await signingLeaf(intermediate)
    const none = { expected: 'each certificate signed by the next, up to a root that the verifier was given' }
    await expect(validated(leaf, [])).rejects.toThrow(
      refusal('CHAIN_NO_PATH', {
        ...none,
        found: 'no chain to the root',
        message: expect.stringContaining('"CN=Signer"'),
      }),
    )
    const two = [root.der, (await authority('Other')).der, root.der]
    await expect(validated(leaf, [], { roots: two })).rejects.toThrow(
      refusal('CHAIN_NO_PATH', { ...none, found: 'no chain to any of the 2 roots' }),
    )
  })

  test('how many certificates are too many', async () => {
    const leaf = await signingLeaf(intermediate)
    const times = (count: number, one: Issued) => Array.from({ length: count }, () => one)
    expect(await validated(leaf, times(32, intermediate))).toBeDefined()
    await expect(validated(leaf, times(33, intermediate))).rejects.toThrow(
      refusal('CHAIN_TOO_LARGE', {
        expected: 'at most 32',
        found: '33',
        message: expect.stringContaining('intermediate certificates'),
      }),
    )
    const roots = (count: number) => times(count, root).map(({ der }) => der)
    expect(await validated(leaf, [intermediate], { roots: roots(1_024) })).toBeDefined()
    await expect(validated(leaf, [intermediate], { roots: roots(1_025) })).rejects.toThrow(
      refusal('CHAIN_TOO_LARGE', {
        expected: 'at most 1024',
        found: '1025',
        message: expect.stringContaining('roots'),
      }),
    )
  })

  test('that a time is none, or a purpose unknown', async () => {
    const leaf = await signingLeaf(intermediate)
    for (const wrong of [{ at: new Date(NaN) }, { crlsAt: new Date(NaN) }, { usage: 'serverAuth' as 'codeSigning' }])
      await expect(validated(leaf, [intermediate], wrong)).rejects.toThrow(refusal('INVALID_ARGUMENT'))
  })
})
