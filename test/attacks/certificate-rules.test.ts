import { constants, createPrivateKey, createPublicKey, generateKeyPairSync, KeyObject, sign } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  authority,
  CODE_SIGNING,
  issue,
  revocationList,
  SERVER_AUTH,
  signingLeaf,
  TIME_STAMPING,
  type Issued,
  type IssueOptions,
  type Name,
} from '../../packages/core/src/testing/authority.ts'
import { hugeDsaKey, madeUpRsaKey, NULL, pssParameters, resigned } from '../../packages/core/src/testing/forgeries.ts'
import { timestamp, timestampAuthority } from '../../packages/core/src/testing/timestamp.ts'
import type { UnverifiedBundle } from '../../packages/core/src/bundle/bundle.ts'
import { verifyCertificateBundle } from '../../packages/core/src/verification/methods/certificate.ts'
import { validateChain, type ChainInput } from '../../packages/core/src/verification/chain/chain.ts'
import { provenTime, statedTimeTrust } from '../../packages/core/src/verification/timestamp.ts'

// Certificates that an authority below a trusted root issues in violation of the rules.

let root: Issued
beforeAll(async () => {
  root = await authority('Root')
})

/** The code of the refusal, or `accepted`. */
async function outcome(path: readonly Issued[], more: Partial<ChainInput> = {}): Promise<string> {
  const [leaf, ...intermediates] = path.map(({ der }) => der)
  try {
    const roots = more.roots ?? [root.der]
    await validateChain({ leaf: leaf ?? Buffer.alloc(0), intermediates, usage: 'codeSigning', ...more, roots })
    return 'accepted'
  } catch (error) {
    return String((error as { code?: unknown }).code)
  }
}

describe('an extended key usage of an authority limits what it may issue', () => {
  const EMAIL_PROTECTION = '1.3.6.1.5.5.7.3.4'
  const ANY = '2.5.29.37.0'
  test.each<[string, readonly string[], readonly string[] | undefined, boolean]>([
    ['for servers', [SERVER_AUTH], [CODE_SIGNING], false],
    ['for timestamps', [TIME_STAMPING], [CODE_SIGNING], false],
    ['for servers, and the leaf states no usage', [SERVER_AUTH], undefined, false],
    ['for servers, and the leaf is for anything', [SERVER_AUTH], [ANY], false],
    ['for servers and e-mail', [SERVER_AUTH, EMAIL_PROTECTION], [CODE_SIGNING, SERVER_AUTH], false],
    ['for signing', [CODE_SIGNING], [CODE_SIGNING], true],
    ['for signing among others', [SERVER_AUTH, CODE_SIGNING], undefined, true],
    ['for anything', [ANY], [CODE_SIGNING], true],
  ])('%s', async (_, usages, ofLeaf, accepted) => {
    for (const extendedCritical of [true, false]) {
      const limits = { extendedUsages: usages, extendedCritical }
      const options = ofLeaf ? { extendedUsages: ofLeaf } : {}
      const code = accepted ? 'accepted' : 'CERTIFICATE_USAGE'
      const middle = await authority('Intermediate', { issuer: root, ...limits })
      expect(await outcome([await signingLeaf(middle, options), middle])).toBe(code)
      // The same holds for an intermediate, and for the root.
      const below = await authority('Below', { issuer: middle })
      expect(await outcome([await signingLeaf(below, options), below, middle])).toBe(code)
      const top = await authority('Root', limits)
      expect(await outcome([await signingLeaf(top, options)], { roots: [top.der] })).toBe(code)
    }
  })

  test('two authorities without a common usage', async () => {
    const middle = await authority('Intermediate', { issuer: root, extendedUsages: [CODE_SIGNING] })
    const below = await authority('Below', { issuer: middle, extendedUsages: [SERVER_AUTH] })
    const path = [await signingLeaf(below), below, middle]
    expect(await outcome(path)).toBe('CERTIFICATE_USAGE')
    expect(await outcome(path, { usage: undefined })).toBe('CERTIFICATE_USAGE')
  })

  test('applies to bundles and to their timestamps', async () => {
    const middle = await authority('Intermediate', { issuer: root, extendedUsages: [SERVER_AUTH] })
    const leaf = await signingLeaf(middle, { extendedUsages: [CODE_SIGNING] })
    const bundle = bundleOf([leaf, middle])
    await expect(verifyCertificateBundle(bundle, { roots: [root.der] }, 'release')).rejects.toMatchObject({
      code: 'CERTIFICATE_USAGE',
    })
    const { signer } = await timestampAuthority({}, middle)
    await expect(stampedBy(signer, middle)).rejects.toMatchObject({ code: 'TIMESTAMP_UNTRUSTED' })
    const { signer: good } = await timestampAuthority({}, root)
    await expect(stampedBy(good, root)).resolves.toMatchObject({ source: 'rfc3161' })
  })
})

function bundleOf(path: readonly Issued[], timestamps: readonly Buffer[] = []): UnverifiedBundle {
  const envelope = {
    payloadType: 'application/vnd.in-toto+json',
    payload: Buffer.from('{}'),
    signature: Buffer.from('s'),
  }
  const material = { method: 'certificate', certificates: path.map(({ der }) => der) } as const
  return { material, envelope: envelope as UnverifiedBundle['envelope'], timestamps, digest: '', size: 0 }
}

async function stampedBy(signer: Issued, trusted: Issued) {
  const der = await timestamp(signer, Buffer.from('s'))
  return provenTime(bundleOf([], [der]), statedTimeTrust({ timestampAuthorities: [trusted.der] }))
}

const SHA1_WITH_RSA = '1.2.840.113549.1.1.5'
const OIW_SHA1_WITH_RSA = '1.3.14.3.2.29'
const RIPEMD160_WITH_RSA = '1.3.36.3.3.1.2'
const SHA224_WITH_RSA = '1.2.840.113549.1.1.14'
const SHA256_WITH_RSA = '1.2.840.113549.1.1.11'
const RSASSA_PSS = '1.2.840.113549.1.1.10'
const SHA1_WITH_ECDSA = '1.2.840.10045.4.1'
const SHA256_WITH_ECDSA = '1.2.840.10045.4.3.2'
const SHA1 = '1.3.14.3.2.26'
const SHA256 = '2.16.840.1.101.3.4.2.1'

describe('refuses a signature algorithm that is not on the list, wherever it is used', () => {
  let rsa: Issued
  let key: KeyObject
  beforeAll(async () => {
    rsa = await authority('RSA', { algorithm: 'RSA' })
    key = KeyObject.from(rsa.keys.privateKey)
  })
  const pss = (hash: string, saltLength: number) => (signed: Buffer) =>
    sign(hash, signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })

  test.each<[string, string, object | undefined, (signed: Buffer) => Buffer, string]>([
    ['SHA-1 with RSA', SHA1_WITH_RSA, NULL, (signed) => sign('sha1', signed, key), 'CERTIFICATE_WEAK'],
    [
      'SHA-1 with RSA, by its OIW identifier',
      OIW_SHA1_WITH_RSA,
      NULL,
      (signed) => sign('sha1', signed, key),
      'CERTIFICATE_WEAK',
    ],
    ['RIPEMD-160 with RSA', RIPEMD160_WITH_RSA, NULL, (signed) => sign('ripemd160', signed, key), 'CERTIFICATE_WEAK'],
    ['SHA-224 with RSA', SHA224_WITH_RSA, NULL, (signed) => sign('sha224', signed, key), 'CERTIFICATE_WEAK'],
    ['RSASSA-PSS by default, which is SHA-1', RSASSA_PSS, pssParameters({}), pss('sha1', 20), 'CERTIFICATE_WEAK'],
    [
      'RSASSA-PSS with SHA-1',
      RSASSA_PSS,
      pssParameters({ hash: SHA1, mask: SHA1 }),
      pss('sha1', 20),
      'CERTIFICATE_WEAK',
    ],
    [
      'RSASSA-PSS with a mask of SHA-1',
      RSASSA_PSS,
      pssParameters({ hash: SHA256, salt: 32 }),
      pss('sha256', 32),
      'CERTIFICATE_WEAK',
    ],
    [
      'RSASSA-PSS with little salt',
      RSASSA_PSS,
      pssParameters({ hash: SHA256, mask: SHA256, salt: 8 }),
      pss('sha256', 8),
      'CERTIFICATE_WEAK',
    ],
    [
      'RSASSA-PSS with SHA-256',
      RSASSA_PSS,
      pssParameters({ hash: SHA256, mask: SHA256, salt: 32 }),
      pss('sha256', 32),
      'accepted',
    ],
    ['SHA-256 with RSA', SHA256_WITH_RSA, NULL, (signed) => sign('sha256', signed, key), 'accepted'],
    [
      'SHA-256 with RSA, without parameters',
      SHA256_WITH_RSA,
      undefined,
      (signed) => sign('sha256', signed, key),
      'accepted',
    ],
  ])('%s', async (_, algorithm, parameters, make, code) => {
    const how = { algorithm, sign: make, ...(parameters ? { parameters: parameters as typeof NULL } : {}) }
    const leaf = resigned(await signingLeaf(rsa), how)
    expect(await outcome([leaf], { roots: [rsa.der] })).toBe(code)
    // Intermediates are judged like the leaf; the root's own signature proves nothing.
    const middle = resigned(await authority('Intermediate', { issuer: rsa }), how)
    expect(await outcome([await signingLeaf(middle), middle], { roots: [rsa.der] })).toBe(code)
    const top = resigned(rsa, how)
    expect(await outcome([await signingLeaf(rsa)], { roots: [top.der] })).toBe('accepted')
  })

  test('SHA-1 with ECDSA, and ECDSA with parameters', async () => {
    const own = KeyObject.from(root.keys.privateKey)
    const weak = { algorithm: SHA1_WITH_ECDSA, sign: (signed: Buffer) => sign('sha1', signed, own) }
    expect(await outcome([resigned(await signingLeaf(root), weak)])).toBe('CERTIFICATE_WEAK')
    const odd = {
      algorithm: SHA256_WITH_ECDSA,
      parameters: NULL,
      sign: (signed: Buffer) => sign('sha256', signed, own),
    }
    expect(await outcome([resigned(await signingLeaf(root), odd)])).toBe('CERTIFICATE_WEAK')
  })

  test('SHA-1 with ECDSA, on a revocation list', async () => {
    const leaf = await signingLeaf(root)
    expect(await outcome([leaf], { crls: [await revocationList(root)] })).toBe('accepted')
    const list = await revocationList(root, { hash: 'SHA-1' })
    expect(await outcome([leaf], { crls: [list] })).toBe('CRL_INVALID')
  })
})

describe('refuses a key that is not on the list', () => {
  const pair = (type: 'ec', namedCurve: string) => generateKeyPairSync(type, { namedCurve })
  const rsaPair = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength })
  const withSha256 = (type: string) => (type === 'rsa' ? SHA256_WITH_RSA : SHA256_WITH_ECDSA)
  test.each<[string, () => { publicKey: KeyObject; privateKey: KeyObject }]>([
    ['RSA of 512 bits', () => rsaPair(512)],
    ['RSA of 1024 bits', () => rsaPair(1024)],
    ['RSA of 2040 bits', () => rsaPair(2040)],
    ['P-192', () => pair('ec', 'prime192v1')],
    ['P-224', () => pair('ec', 'secp224r1')],
    ['sect163k1', () => pair('ec', 'sect163k1')],
    ['secp256k1', () => pair('ec', 'secp256k1')],
  ])('%s, of an authority, of the root and of the leaf', async (_, make) => {
    const { publicKey, privateKey } = make()
    const type = publicKey.asymmetricKeyType ?? ''
    const how = {
      algorithm: withSha256(type),
      ...(type === 'rsa' ? { parameters: NULL } : {}),
      sign: (signed: Buffer) => sign('sha256', signed, privateKey),
    }
    const byRoot = {
      algorithm: SHA256_WITH_ECDSA,
      sign: (signed: Buffer) => sign('sha256', signed, KeyObject.from(root.keys.privateKey)),
      key: publicKey,
    }
    const middle = resigned(await authority('Intermediate', { issuer: root }), byRoot)
    expect(await outcome([resigned(await signingLeaf(middle), how), middle])).toBe('CERTIFICATE_WEAK')
    const top = resigned(await authority('Top'), { ...how, key: publicKey })
    expect(await outcome([resigned(await signingLeaf(top), how)], { roots: [top.der] })).toBe('CERTIFICATE_WEAK')
    const leaf = resigned(await signingLeaf(root), byRoot)
    expect(await outcome([leaf])).toBe('CERTIFICATE_WEAK')
    // A root that is also the leaf is trusted, but its key is still refused.
    expect(await outcome([top], { roots: [top.der] })).toBe('CERTIFICATE_WEAK')
  })

  test.each<[string, () => KeyObject]>([
    ['DSA', () => hugeDsaKey(2048)],
    ['RSA of 16384 bits', () => madeUpRsaKey(16_384, '010001')],
    ['RSA with an exponent of 64 bits', () => madeUpRsaKey(2048, 'ffffffffffffffff')],
    ['RSA with the exponent 1', () => madeUpRsaKey(2048, '01')],
    ['Ed448', () => generateKeyPairSync('ed448').publicKey],
  ])('%s, before anything is verified with it', async (_, make) => {
    const signed = (signature: Buffer, key?: KeyObject) => ({
      algorithm: SHA256_WITH_RSA,
      parameters: NULL,
      sign: () => signature,
      ...(key ? { key } : {}),
    })
    const key = make()
    const middle = resigned(await authority('Intermediate', { issuer: root }), signed(Buffer.alloc(256, 1), key))
    expect(await outcome([resigned(await signingLeaf(middle), signed(Buffer.alloc(256, 1))), middle])).toBe(
      'CERTIFICATE_WEAK',
    )
  })

  test('of a timestamp authority', async () => {
    const { publicKey, privateKey } = rsaPair(1024)
    const { root: top, signer } = await timestampAuthority({ algorithm: 'RSA' })
    const how = {
      algorithm: SHA256_WITH_RSA,
      parameters: NULL,
      sign: (signed: Buffer) => sign('sha256', signed, KeyObject.from(top.keys.privateKey)),
      key: publicKey,
    }
    const pkcs8 = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    const keys = {
      privateKey: pkcs8.toCryptoKey(algorithm, true, ['sign']),
      publicKey: createPublicKey(pkcs8).toCryptoKey(algorithm, true, ['verify']),
    }
    const weak = { ...resigned(signer, how), keys }
    await expect(stampedBy(weak, top)).rejects.toMatchObject({ code: 'TIMESTAMP_INVALID' })
    await expect(stampedBy(signer, top)).resolves.toMatchObject({ source: 'rfc3161' })
  })
})

describe('refuses a chain with a name constraint that cannot be applied', () => {
  const IP = (...bytes: number[]): Name => [7, Uint8Array.from(bytes)]
  const judged = async (limits: Pick<IssueOptions, 'permitted' | 'excluded'>, names: readonly Name[]) => {
    const middle = await authority('Intermediate', { issuer: root, ...limits })
    return outcome([await signingLeaf(middle, { names }), middle])
  }
  const TEN = IP(10, 0, 0, 0, 255, 0, 0, 0)

  test.each<[string, readonly Name[], Name]>([
    ['a range of five bytes', [IP(10, 0, 0, 0, 255)], IP(10, 1, 2, 3)],
    ['a range without a mask', [IP(10, 0, 0, 0)], IP(10, 1, 2, 3)],
    ['an empty range', [IP()], IP(10, 1, 2, 3)],
    ['a mask with holes', [IP(10, 0, 0, 0, 255, 0, 255, 0)], IP(10, 1, 2, 3)],
    ['a mask that begins with zeros', [IP(10, 0, 0, 0, 0, 255, 0, 0)], IP(10, 1, 2, 3)],
    ['an address of five bytes', [TEN], IP(10, 1, 2, 3, 4)],
    ['an address of three bytes', [TEN], IP(10, 1, 2)],
    ['an empty address', [TEN], IP()],
    ['an address of IPv4 in the form of IPv6', [TEN], IP(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3)],
    ['a host that is a pattern', [[2, '*.example.org']], [2, 'a.example.org']],
    ['a host with an empty label', [[2, 'a..example.org']], [2, 'example.org']],
    ['an empty e-mail host', [[1, '']], [1, 'a@example.org']],
    ['two e-mail addresses in one', [[1, 'a@b@example.org']], [1, 'b@example.org']],
    ['an e-mail address with two hosts', [[1, 'example.org']], [1, 'a@example.net@example.org']],
    ['a URI instead of a host', [[6, 'https://example.org']], [6, 'https://example.org/']],
    ['an empty URI host', [[6, '']], [6, 'https://example.org/']],
    ['a URI without a host', [[6, 'example.org']], [6, 'urn:example:models']],
  ])('if it excludes: %s', async (_, excluded, name) => {
    expect(await judged({ excluded }, [name])).toBe('CHAIN_NAME_CONSTRAINT')
  })

  test('even if no name is subject to it', async () => {
    expect(await judged({ excluded: [IP(10, 0, 0, 0)] }, [[2, 'example.org']])).toBe('CHAIN_NAME_CONSTRAINT')
    expect(await judged({ permitted: [IP(10, 0, 0, 0)] }, [])).toBe('CHAIN_NAME_CONSTRAINT')
  })

  test('if it permits hosts below a host, it does not permit the host itself', async () => {
    expect(await judged({ permitted: [[2, '.example.org']] }, [[2, 'a.example.org']])).toBe('accepted')
    expect(await judged({ permitted: [[2, '.example.org']] }, [[2, 'example.org']])).toBe('CHAIN_NAME_CONSTRAINT')
  })

  test('an address in the subject counts as an alternative name', async () => {
    const middle = await authority('Intermediate', { issuer: root, excluded: [[1, 'example.org']] })
    const subject = [['1.2.840.113549.1.9.1', 'mallory@example.org']] as const
    expect(await outcome([await signingLeaf(middle, { subject }), middle])).toBe('CHAIN_NAME_CONSTRAINT')
  })

  test('excludes what is both permitted and excluded', async () => {
    const both = { permitted: [TEN], excluded: [IP(10, 1, 0, 0, 255, 255, 0, 0)] }
    expect(await judged(both, [IP(10, 2, 0, 1)])).toBe('accepted')
    expect(await judged(both, [IP(10, 1, 0, 1)])).toBe('CHAIN_NAME_CONSTRAINT')
  })
})

test('a server certificate under a server authority forms a valid chain but cannot sign models', async () => {
  const middle = await authority('Intermediate', { issuer: root, extendedUsages: [SERVER_AUTH] })
  const leaf = await issue({
    subject: 'Server',
    issuer: middle,
    usages: ['digitalSignature'],
    extendedUsages: [SERVER_AUTH],
  })
  expect(await outcome([leaf, middle], { usage: undefined })).toBe('accepted')
  expect(await outcome([leaf, middle])).toBe('CERTIFICATE_USAGE')
})
