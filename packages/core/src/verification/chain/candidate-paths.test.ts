import { webcrypto } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { authority, signingLeaf, type Issued } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { fingerprintOf, readX509 } from '../../x509/certificate.ts'
import { Effort } from '../effort.ts'
import { candidatePaths } from './candidate-paths.ts'

const root = await authority('Root')

/** The paths that are found, each as the subjects on it. */
async function found(leaf: Issued, intermediates: readonly Issued[], roots: readonly Issued[], effort = new Effort()) {
  const byFingerprint = (all: readonly Issued[]) => new Map(all.map(({ x509 }) => [fingerprintOf(x509), x509]))
  const search = { intermediates: byFingerprint(intermediates), roots: byFingerprint(roots), effort }
  const paths: string[] = []
  for await (const path of candidatePaths(leaf.x509, search))
    paths.push(path.map(({ x509 }) => x509.subject.replace('CN=', '')).join(' < '))
  return paths
}

/** Authorities, each issued by the one before. */
async function descending(count: number): Promise<Issued[]> {
  const line = [root]
  for (let index = 1; index <= count; index++) line.push(await authority(`A${index}`, { issuer: line.at(-1) ?? root }))
  return line.slice(1)
}

describe('the search for paths', () => {
  test('finds those over each of several certificates of an authority, roots first', async () => {
    const top = await authority('Top')
    const cross = await authority('Root', { issuer: top, keys: root.keys })
    const leaf = await signingLeaf(root)
    expect(await found(leaf, [cross], [root, top])).toEqual(['Signer < Root', 'Signer < Root < Top'])
    expect(await found(leaf, [cross, root], [top])).toEqual(['Signer < Root < Top'])
    expect(await found(root, [], [root])).toEqual(['Root'])
    expect(await found(leaf, [cross], [])).toEqual([])
  })

  test('finds a path only once if an intermediate certificate is a root as well', async () => {
    expect(await found(await signingLeaf(root), [root], [root])).toEqual(['Signer < Root'])
  })

  test('needs no signature check for a certificate by an unknown authority', async () => {
    expect(await found(await signingLeaf(root), [], [], new Effort(undefined, 0))).toEqual([])
  })

  test('finds paths of twelve certificates, but not of more', async () => {
    const line = await descending(11)
    const ten = await found(await signingLeaf(line[9] ?? root), line, [root])
    expect(ten.map((path) => path.split(' < ').length)).toEqual([12])
    expect(await found(await signingLeaf(line[10] ?? root), line, [root])).toEqual([])
  })

  test('ends after sixteen paths', async () => {
    const roots = await Promise.all(Array.from({ length: 17 }, () => authority('Root', { keys: root.keys })))
    const leaf = await signingLeaf(root)
    expect(await found(leaf, [], roots.slice(1))).toHaveLength(16)
    await expect(found(leaf, [], roots)).rejects.toThrow(refusal('CHAIN_TOO_LARGE', { found: 'more than 16 paths' }))
  })

  test('ends after 128 steps', async () => {
    const namesakes = await Promise.all(Array.from({ length: 129 }, () => authority('Root')))
    const leaf = await signingLeaf(root)
    expect(await found(leaf, [], namesakes.slice(1))).toEqual([])
    await expect(found(leaf, [], namesakes)).rejects.toThrow(
      refusal('CHAIN_TOO_LARGE', { found: 'more than 128 steps' }),
    )
  })

  test('verifies the signature of a certificate by the same key only once', async () => {
    let checks = 0
    class Counted extends Effort {
      override signatures(count?: number): Promise<void> {
        checks++
        return super.signatures(count)
      }
    }
    const [first, second] = [await authority('Top'), await authority('Top')]
    const middles = [await authority('Middle', { issuer: first }), await authority('Middle', { issuer: second })]
    const issuer = middles[0] ?? root
    const lower = await Promise.all([1, 2].map(() => authority('Lower', { issuer, keys: root.keys })))
    const leaf = await signingLeaf(lower[0] ?? root)
    expect(await found(leaf, [...middles, ...lower], [first, second], new Counted())).toHaveLength(2)
    // The leaf by two authorities, each of these by two, and the one that issued both only once by two.
    expect(checks).toBe(8)
  })
})

describe('a certificate or key that is too weak', () => {
  test('is why there is no path, unless there is another', async () => {
    const leaf = await signingLeaf(root, { hash: 'SHA-1' })
    const weak = refusal('CERTIFICATE_WEAK', { found: 'the algorithm SHA-1 with ECDSA' })
    await expect(found(leaf, [], [root])).rejects.toThrow(weak)
    const middle = await authority('Middle', { issuer: root })
    const spoiled = await authority('Middle', { issuer: root, keys: middle.keys, hash: 'SHA-1' })
    const below = await signingLeaf(middle)
    await expect(found(below, [spoiled], [root])).rejects.toThrow(weak)
    expect(await found(below, [spoiled, middle], [root])).toEqual(['Signer < Middle < Root'])
  })

  test('is named if it is the key of an authority', async () => {
    const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]) }
    const keys = await webcrypto.subtle.generateKey({ ...rsa, modulusLength: 1024 }, true, ['sign', 'verify'])
    const top = await authority('Top', { keys })
    await expect(found(await signingLeaf(top), [], [top])).rejects.toThrow(
      refusal('CERTIFICATE_WEAK', { found: 'an RSA key of 1024 bits' }),
    )
    const strong = await authority('Top')
    expect(await found(await signingLeaf(strong), [], [top, strong])).toEqual(['Signer < Top'])
  })

  test('is not confused with a check that fails', async () => {
    const middle = await authority('Middle', { issuer: root })
    const other = await authority('Middle', { issuer: root, keys: middle.keys })
    const key = Object.defineProperty({}, 'asymmetricKeyType', { get: () => expect.fail('no library') })
    Object.defineProperty(other.x509, 'publicKey', { value: key })
    await expect(found(await signingLeaf(middle), [other, middle], [root])).rejects.toThrow('no library')
  })

  test('is not used for any signature check', async () => {
    const leaf = await signingLeaf(root, { hash: 'SHA-1' })
    await expect(found(leaf, [], [root], new Effort(undefined, 0))).rejects.toThrow(refusal('CERTIFICATE_WEAK'))
  })
})

test('names select candidates regardless of case and spaces, and signatures decide', async () => {
  const leaf = await signingLeaf(await authority('R O OT', { keys: root.keys }))
  expect(await found(leaf, [], [root, await authority('Root')])).toEqual(['Signer < Root'])
  expect(await found(await signingLeaf(await authority('Roots', { keys: root.keys })), [], [root])).toEqual([])
})

test('an authority occurs only once on a path', async () => {
  const other = await authority('Other')
  const crossed = [
    await authority('Other', { issuer: root, keys: other.keys }),
    await authority('Root', { issuer: other, keys: root.keys }),
  ]
  expect(await found(await signingLeaf(root), crossed, [root])).toEqual([
    'Signer < Root',
    'Signer < Root < Other < Root',
  ])
})

test('authorities of two names with one key may follow each other', async () => {
  const upper = await authority('Upper', { issuer: root })
  const lower = await authority('Lower', { issuer: upper, keys: upper.keys })
  expect(await found(await signingLeaf(lower), [lower, upper], [root])).toEqual(['Signer < Lower < Upper < Root'])
})

test('an authority of the same name is another one if one of their keys cannot be read', async () => {
  const issuer = await authority('Middle', { issuer: root })
  const leaf = await signingLeaf(issuer, { subject: 'Middle' })
  const unreadable = (issued: Issued) => {
    const der = Buffer.from(issued.der)
    const point = Buffer.from(issued.fields.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView)
    der.fill(0xff, der.indexOf(point), der.indexOf(point) + point.length)
    return { ...issued, der, x509: readX509(der) }
  }
  expect(await found(unreadable(leaf), [unreadable(issuer), issuer], [root])).toEqual([])
  expect(await found(leaf, [unreadable(issuer), issuer], [root])).toEqual(['Middle < Middle < Root'])
})

test('the search can be aborted', async () => {
  const effort = new Effort(AbortSignal.abort())
  await expect(found(await signingLeaf(root), [], [root], effort)).rejects.toThrow(refusal('ABORTED'))
})
