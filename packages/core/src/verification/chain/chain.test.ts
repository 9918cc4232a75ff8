import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { describe, expect, test } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { validateChain, type ChainInput } from './chain.ts'
import {
  authority,
  COMMON_NAME,
  extension,
  inDays,
  issue,
  makeKeys,
  ORGANIZATION,
  signingLeaf,
  type Issued,
  type KeyAlgorithmName,
  type Name,
} from '../../testing/authority.ts'

const root = await authority('Root')
const intermediate = await authority('Intermediate', { issuer: root })

/** The code of the refusal; undefined if the chain is valid. */
async function refusal(
  leaf: Issued,
  intermediates: readonly Issued[],
  roots: readonly Issued[] = [root],
  more: Partial<ChainInput> = {},
): Promise<ErrorCode | undefined> {
  try {
    const { path } = await validateChain({
      leaf: leaf.der,
      intermediates: intermediates.map(({ der }) => der),
      roots: roots.map(({ der }) => der),
      ...more,
    })
    expect(path[0]?.raw.equals(leaf.der)).toBe(true)
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(ModelSealError)
    return (error as ModelSealError).code
  }
}

test('accepts a chain of two, and returns its path leaf first', async () => {
  const leaf = await signingLeaf(intermediate)
  const { path } = await validateChain({ leaf: leaf.x509, intermediates: [intermediate.der], roots: [root.der] })
  expect(path.map(({ subject }) => subject)).toEqual(['CN=Signer', 'CN=Intermediate', 'CN=Root'])
})

test.for<KeyAlgorithmName>(['P-256', 'P-384', 'P-521', 'RSA', 'RSA-PSS', 'Ed25519'])(
  'accepts authorities with keys of the kind %s',
  async (algorithm) => {
    const top = await authority('Root', { algorithm })
    const middle = await authority('Intermediate', { issuer: top, algorithm })
    expect(await refusal(await signingLeaf(middle), [middle], [top])).toBeUndefined()
  },
)

describe('certificates found in practice', () => {
  test('accepts a leaf that is marked as an authority, with the usage digitalSignature only', async () => {
    const leaf = await issue({ subject: 'Signer', issuer: intermediate, ca: true, usages: ['digitalSignature'] })
    expect(await refusal(leaf, [intermediate])).toBeUndefined()
  })

  test('accepts a self-issued leaf, distinguished from its issuer of the same name by key and signature', async () => {
    const top = await authority('Same Name')
    expect(await refusal(await signingLeaf(top, { subject: 'Same Name' }), [], [top])).toBeUndefined()
    expect(await refusal(await signingLeaf(top, { subject: 'Same Name', ca: true }), [top], [top])).toBeUndefined()
  })

  test('accepts a self-signed leaf that is itself the given root', async () => {
    const leaf = await issue({ subject: 'Signer', usages: ['digitalSignature'] })
    expect(await refusal(leaf, [], [leaf])).toBeUndefined()
    expect(await refusal(leaf, [leaf], [root, leaf])).toBeUndefined()
  })

  test('accepts a chain that includes the root', async () => {
    expect(await refusal(await signingLeaf(intermediate), [root, intermediate, intermediate])).toBeUndefined()
  })

  test('accepts cross-signed intermediates, whichever of the roots is trusted', async () => {
    const other = await authority('Other Root')
    const cross = await authority('Intermediate', { issuer: other, keys: intermediate.keys })
    const leaf = await signingLeaf(intermediate)
    for (const trusted of [root, other]) {
      expect(await refusal(leaf, [cross, intermediate], [trusted])).toBeUndefined()
      expect(await refusal(leaf, [intermediate, cross], [trusted])).toBeUndefined()
    }
  })

  test('finds the issuer among several with the same name, even without key identifiers', async () => {
    const namesakes = await Promise.all([1, 2, 3].map(() => authority('Intermediate', { issuer: root, keyIds: false })))
    for (const issuer of namesakes) {
      expect(await refusal(await signingLeaf(issuer, { keyIds: false }), namesakes)).toBeUndefined()
    }
  })

  test('accepts an authority whose key was replaced by a self-issued certificate, which does not count for the path length', async () => {
    const top = await authority('Root', { pathLength: 1 })
    const rolled = await authority('Root', { issuer: top })
    const middle = await authority('Intermediate', { issuer: rolled })
    expect(await refusal(await signingLeaf(middle), [middle, rolled], [top])).toBeUndefined()
  })
})

describe('refuses a chain', () => {
  test('with a missing intermediate', async () => {
    expect(await refusal(await signingLeaf(intermediate), [])).toBe('CHAIN_NO_PATH')
  })

  test('under another root, even with the same name', async () => {
    expect(await refusal(await signingLeaf(intermediate), [intermediate], [await authority('Other')])).toBe(
      'CHAIN_NO_PATH',
    )
    expect(await refusal(await signingLeaf(intermediate), [intermediate], [await authority('Root')])).toBe(
      'CHAIN_NO_PATH',
    )
  })

  test('whose root is only in the bundle', async () => {
    expect(await refusal(await signingLeaf(intermediate), [intermediate, root], [])).toBe('CHAIN_NO_PATH')
  })

  test('whose leaf was modified after it was signed', async () => {
    const leaf = await signingLeaf(intermediate)
    const der = Buffer.from(leaf.der)
    der[der.indexOf('Signer')] = 0x73
    expect(await refusal({ ...leaf, der }, [intermediate])).toBe('CHAIN_NO_PATH')
  })

  test('with any certificate that has expired or is not yet valid', async () => {
    const old = { notBefore: inDays(-10), notAfter: inDays(-2) }
    const young = { notBefore: inDays(2), notAfter: inDays(10) }
    for (const [when, code] of [
      [old, 'CERTIFICATE_EXPIRED'],
      [young, 'CERTIFICATE_NOT_YET_VALID'],
    ] as const) {
      expect(await refusal(await signingLeaf(intermediate, when), [intermediate])).toBe(code)
      const middle = await authority('Intermediate', { issuer: root, ...when })
      expect(await refusal(await signingLeaf(middle), [middle])).toBe(code)
      const top = await authority('Root', when)
      expect(await refusal(await signingLeaf(top), [], [top])).toBe(code)
      const pinned = await issue({ subject: 'Signer', usages: ['digitalSignature'], ...when })
      expect(await refusal(pinned, [], [pinned])).toBe(code)
    }
  })

  test('that is not valid at the given time', async () => {
    const leaf = await signingLeaf(intermediate)
    expect(await refusal(leaf, [intermediate], [root], { at: inDays(29) })).toBeUndefined()
    expect(await refusal(leaf, [intermediate], [root], { at: inDays(31) })).toBe('CERTIFICATE_EXPIRED')
    expect(await refusal(leaf, [intermediate], [root], { at: new Date(NaN) })).toBe('INVALID_ARGUMENT')
  })

  test('with an issuer without basic constraints, or with CA false, or without keyCertSign', async () => {
    for (const wrong of [{ ca: undefined }, { ca: false }, { usages: ['digitalSignature'] }] as const) {
      const { ca, ...rest } = { ca: true, usages: ['keyCertSign'] as const, ...wrong }
      const middle = await issue({
        subject: 'Intermediate',
        issuer: root,
        ...rest,
        ...(ca === undefined ? {} : { ca }),
      })
      expect(await refusal(await signingLeaf(middle), [middle])).toBe('CHAIN_NOT_CA')
      const top = await issue({ subject: 'Root', ...rest, ...(ca === undefined ? {} : { ca }) })
      expect(await refusal(await signingLeaf(top), [], [top])).toBe('CHAIN_NOT_CA')
    }
  })

  test('whose leaf issued another certificate', async () => {
    const leaf = await signingLeaf(intermediate)
    expect(await refusal(await signingLeaf(leaf), [leaf, intermediate])).toBe('CHAIN_NOT_CA')
  })

  test('longer than an authority or the root allows', async () => {
    for (const [pathLength, code] of [
      [0, 'CHAIN_PATH_LENGTH'],
      [1, undefined],
    ] as const) {
      const top = await authority('Root', { pathLength })
      const first = await authority('First', { issuer: top })
      expect(await refusal(await signingLeaf(first), [first], [top])).toBe(code)
      const limited = await authority('Limited', { issuer: root, pathLength })
      const second = await authority('Second', { issuer: limited })
      expect(await refusal(await signingLeaf(second), [second, limited])).toBe(code)
    }
  })

  test('with an unknown critical extension in leaf, intermediate or root, but not for a non-critical one', async () => {
    for (const critical of [true, false]) {
      const extensions = [extension('1.3.6.1.4.1.99999.1', critical, new asn1js.Null())]
      const code = critical ? 'CERTIFICATE_EXTENSION' : undefined
      expect(await refusal(await signingLeaf(intermediate, { extensions }), [intermediate])).toBe(code)
      const middle = await authority('Intermediate', { issuer: root, extensions })
      expect(await refusal(await signingLeaf(middle), [middle])).toBe(code)
      const top = await authority('Root', { extensions })
      expect(await refusal(await signingLeaf(top), [], [top])).toBe(code)
    }
  })

  test('with an extension that is duplicated or malformed', async () => {
    const twice = [extension('1.3.6.1.4.1.99999.1', false, new asn1js.Null())]
    expect(await refusal(await signingLeaf(intermediate, { extensions: [...twice, ...twice] }), [intermediate])).toBe(
      'CERTIFICATE_INVALID',
    )
    for (const id of ['2.5.29.30', '2.5.29.19', '2.5.29.15', '2.5.29.37', '2.5.29.17']) {
      const extensions = [extension(id, true, new asn1js.Null())]
      const middle = await issue({
        subject: 'Intermediate',
        issuer: root,
        ...(id === '2.5.29.19' ? {} : { ca: true }),
        ...(id === '2.5.29.15' ? {} : { usages: ['keyCertSign'] }),
        extensions,
      })
      expect(await refusal(await signingLeaf(middle), [middle]), id).toBe('CERTIFICATE_INVALID')
    }
  })

  test('without a policy, if an authority requires one', async () => {
    const demand = extension('2.5.29.36', true, new pkijs.PolicyConstraints({ requireExplicitPolicy: 0 }).toSchema())
    const policy = extension(
      '2.5.29.32',
      false,
      new pkijs.CertificatePolicies({
        certificatePolicies: [new pkijs.PolicyInformation({ policyIdentifier: '1.3.6.1.4.1.99999.5' })],
      }).toSchema(),
    )
    const middle = await authority('Intermediate', { issuer: root, extensions: [demand, policy] })
    expect(await refusal(await signingLeaf(middle), [middle])).toBe('CHAIN_INVALID')
    expect(await refusal(await signingLeaf(middle, { extensions: [policy] }), [middle])).toBeUndefined()
  })

  test('signed with SHA-1, except the root itself', async () => {
    expect(await refusal(await signingLeaf(intermediate, { hash: 'SHA-1' }), [intermediate])).toBe('CERTIFICATE_WEAK')
    const top = await authority('Root', { hash: 'SHA-1' })
    expect(await refusal(await signingLeaf(top), [], [top])).toBeUndefined()
  })

  test('with certificates that cannot be read or have trailing data', async () => {
    const leaf = await signingLeaf(intermediate)
    const roots = [root.der]
    for (const der of [
      Buffer.alloc(0),
      Buffer.from('junk'),
      leaf.der.subarray(0, 100),
      Buffer.concat([leaf.der, Buffer.alloc(1)]),
    ]) {
      await expect(validateChain({ leaf: der, roots })).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' })
      await expect(validateChain({ leaf: leaf.der, intermediates: [der], roots })).rejects.toMatchObject({
        code: 'CERTIFICATE_INVALID',
      })
    }
  })

  test('with a root that is not an authority, or does not say so', async () => {
    for (const ca of [false, undefined]) {
      const old = await issue({ subject: 'Old', usages: ['keyCertSign'], ...(ca === false && { ca }) })
      expect(await refusal(await signingLeaf(old), [], [old])).toBe('CHAIN_NOT_CA')
    }
  })

  test('with a key that cannot be read', async () => {
    const leaf = await signingLeaf(intermediate)
    const spoiled = (issued: Issued) => {
      const der = Buffer.from(issued.der)
      const point = Buffer.from(issued.fields.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView)
      der.fill(0xff, der.indexOf(point), der.indexOf(point) + point.length)
      return { ...issued, der }
    }
    expect(await refusal(leaf, [spoiled(intermediate)])).toBe('CHAIN_NO_PATH')
    expect(await refusal(spoiled(leaf), [intermediate])).toBe('CHAIN_NO_PATH')
    expect(await refusal(leaf, [intermediate], [spoiled(root)])).toBe('CHAIN_NO_PATH')
    expect(await refusal(leaf, [spoiled(intermediate), intermediate], [spoiled(root), root])).toBeUndefined()
  })

  test('with too many certificates, and stops searching entangled authorities', async () => {
    const leaf = await signingLeaf(intermediate)
    expect(
      await refusal(
        leaf,
        Array.from({ length: 33 }, () => intermediate),
      ),
    ).toBe('CHAIN_TOO_LARGE')

    // Ten authorities with the same name that all certify each other.
    const keys = await Promise.all(Array.from({ length: 5 }, () => makeKeys('P-256')))
    const selves = await Promise.all(keys.map((pair) => authority('Maze', { keys: pair, keyIds: false })))
    const crossed = await Promise.all(
      selves.flatMap((issuer) => keys.map((pair) => authority('Maze', { issuer, keys: pair, keyIds: false }))),
    )
    expect(await refusal(await signingLeaf(selves[0]!), crossed, [await authority('Maze')])).toMatch(
      /^CHAIN_(TOO_LARGE|NO_PATH)$/,
    )
  })
})

describe('name constraints', () => {
  const DNS = (value: string): Name => [2, value]
  const EMAIL = (value: string): Name => [1, value]
  const URI = (value: string): Name => [6, value]
  const DIRECTORY = (value: string): Name => [4, value]
  const IP = (...bytes: number[]): Name => [7, new Uint8Array(bytes)]

  const inside = [
    [DNS('example.org'), DNS('models.example.org')],
    [DNS('example.org'), DNS('EXAMPLE.org')],
    [EMAIL('example.org'), EMAIL('release@example.org')],
    [EMAIL('.example.org'), EMAIL('release@ml.example.org')],
    [EMAIL('release@example.org'), EMAIL('release@example.org')],
    [URI('.example.org'), URI('https://ci.example.org/models')],
    [URI('example.org'), URI('https://example.org:8443/x')],
    [DIRECTORY('Example'), DIRECTORY('Example')],
    [IP(10, 0, 0, 0, 255, 0, 0, 0), IP(10, 1, 2, 3)],
  ] as const
  const outside = [
    [DNS('example.org'), DNS('badexample.org')],
    [DNS('example.org'), DNS('example.org.evil.net')],
    [EMAIL('example.org'), EMAIL('release@ml.example.org')],
    [EMAIL('example.org'), EMAIL('release@evil.net')],
    [URI('example.org'), URI('https://evil.net/example.org')],
    [DIRECTORY('Example'), DIRECTORY('Evil')],
    [IP(10, 0, 0, 0, 255, 0, 0, 0), IP(11, 1, 2, 3)],
  ] as const

  async function judged(options: { permitted?: readonly Name[]; excluded?: readonly Name[] }, name: Name) {
    const top = await authority([[ORGANIZATION, 'Example']], options)
    const middle = await authority(
      [
        [ORGANIZATION, 'Example'],
        [COMMON_NAME, 'Intermediate'],
      ],
      { issuer: root, ...options },
    )
    const leafOf = (issuer: Issued) =>
      signingLeaf(issuer, { subject: [[ORGANIZATION, name[0] === 4 ? name[1] : 'Example']], names: [name] })
    const codes = [await refusal(await leafOf(middle), [middle]), await refusal(await leafOf(top), [], [top])]
    expect(codes[0]).toBe(codes[1])
    return codes[0]
  }

  test.for(inside)('that permit %j certify %j; those that exclude it do not', async ([constraint, name]) => {
    expect(await judged({ permitted: [constraint] }, name)).toBeUndefined()
    expect(await judged({ excluded: [constraint] }, name)).toBe('CHAIN_NAME_CONSTRAINT')
  })

  test.for(outside)('that permit only %j do not certify %j', async ([constraint, name]) => {
    expect(await judged({ permitted: [constraint] }, name)).toBe('CHAIN_NAME_CONSTRAINT')
    expect(await judged({ excluded: [constraint] }, name)).toBeUndefined()
  })

  test('compare the host of a URI, not the user before it', async () => {
    const name = URI('https://example.org:pass@evil.net/')
    expect(await judged({ permitted: [URI('example.org')] }, name)).toBe('CHAIN_NAME_CONSTRAINT')
    expect(await judged({ excluded: [URI('evil.net')] }, name)).toBe('CHAIN_NAME_CONSTRAINT')
  })

  test('of a second authority cannot permit more than those of the first', async () => {
    const first = await authority('First', { issuer: root, permitted: [DNS('example.org')] })
    const second = await authority('Second', { issuer: first, permitted: [DNS('evil.net')] })
    expect(await refusal(await signingLeaf(second, { names: [DNS('evil.net')] }), [second, first])).toBe(
      'CHAIN_NAME_CONSTRAINT',
    )
    expect(await refusal(await signingLeaf(second, { names: [DNS('example.org')] }), [second, first])).toBe(
      'CHAIN_NAME_CONSTRAINT',
    )
  })

  test('apply to e-mail addresses in the subject and to directory names among the alternative names', async () => {
    const email = [['1.2.840.113549.1.9.1', 'release@evil.net']] as const
    for (const limits of [{ permitted: [EMAIL('example.org')] }, { excluded: [EMAIL('evil.net')] }]) {
      const middle = await authority('Intermediate', { issuer: root, ...limits })
      expect(await refusal(await signingLeaf(middle, { subject: email }), [middle])).toBe('CHAIN_NAME_CONSTRAINT')
    }
    const middle = await authority([[ORGANIZATION, 'Example']], { issuer: root, excluded: [DIRECTORY('Evil')] })
    const leaf = await signingLeaf(middle, { subject: [[ORGANIZATION, 'Example']], names: [DIRECTORY('Evil')] })
    expect(await refusal(leaf, [middle])).toBe('CHAIN_NAME_CONSTRAINT')
  })

  test('refuse an unreadable name of their kind, and ignore other kinds', async () => {
    for (const name of [EMAIL('no address'), EMAIL('a@b@example.org')])
      expect(await judged({ excluded: [EMAIL('evil.net')] }, name)).toBe('CHAIN_NAME_CONSTRAINT')
    for (const name of [URI('urn:example'), URI('https://10.0.0.1/')])
      expect(await judged({ excluded: [URI('evil.net')] }, name)).toBe('CHAIN_NAME_CONSTRAINT')
    expect(await judged({ permitted: [DNS('example.org')] }, EMAIL('a@evil.net'))).toBeUndefined()
  })

  test('compare directory names as prefixes, from the first attribute on', async () => {
    const middle = await authority('Intermediate', { issuer: root, permitted: [DIRECTORY('Example')] })
    const leaf = await signingLeaf(middle, {
      subject: [
        [COMMON_NAME, 'Evil'],
        [ORGANIZATION, 'Example'],
      ],
    })
    expect(await refusal(leaf, [middle])).toBe('CHAIN_NAME_CONSTRAINT')
  })
})
