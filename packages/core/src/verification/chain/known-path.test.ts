import { webcrypto } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import {
  authority,
  CODE_SIGNING,
  inDays,
  revocationList,
  SERVER_AUTH,
  signingLeaf,
  type Issued,
} from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { Effort } from '../effort.ts'
import { judgeKnownPath, validateChain, validPath, type StatedChain } from './chain.ts'
import * as library from './library.ts'
import * as nameConstraints from './name-constraints.ts'

vi.mock('./library.ts', { spy: true })
vi.mock('./name-constraints.ts', { spy: true })

const root = await authority('Root')
const middle = await authority('Middle', { issuer: root })
const leaf = await signingLeaf(middle)
const weak = await webcrypto.subtle.generateKey(
  { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 1024 },
  true,
  ['sign', 'verify'],
)

function chainOf(one: Issued, above: readonly Issued[], more: Partial<StatedChain> = {}): StatedChain {
  const others = { crls: undefined, at: undefined, crlsAt: undefined, usage: undefined, ...more }
  return { leaf: one.der, intermediates: above.map(({ der }) => der), roots: [root.der], ...others }
}

const validated = (one: Issued, above: readonly Issued[], more: Partial<StatedChain> = {}, effort = new Effort()) =>
  validPath(chainOf(one, above, more), effort)

describe('a known path', () => {
  const at = new Date()
  async function judged(path: readonly Issued[], more: Partial<Parameters<typeof judgeKnownPath>[1]> = {}) {
    const certificates = await Promise.all(path.map(({ der }) => parseCertificate(der)))
    const input = { at, crlsAt: at, crls: undefined, usage: undefined, ...more }
    return judgeKnownPath(certificates, input, new Effort())
  }

  test('is judged by the time, the purpose and the revocation lists, but not by the library again', async () => {
    vi.mocked(library.validateByLibrary).mockClear()
    await judged([leaf, middle, root])
    expect(library.validateByLibrary).not.toHaveBeenCalled()
    await expect(judged([leaf, middle, root], { at: inDays(31) })).rejects.toThrow(refusal('CERTIFICATE_EXPIRED'))
    const server = await signingLeaf(middle, { extendedUsages: [SERVER_AUTH] })
    await expect(judged([server, middle, root], { usage: 'codeSigning' })).rejects.toThrow(refusal('CERTIFICATE_USAGE'))
    const list = await revocationList(middle, { revoked: [{ certificate: leaf, at: inDays(-1) }] })
    await expect(judged([leaf, middle, root], { crls: [list] })).rejects.toThrow(refusal('CERTIFICATE_REVOKED'))
    await expect(judged([leaf, middle, root], { crls: [list], crlsAt: inDays(8) })).rejects.toThrow(
      refusal('CRL_STALE'),
    )
  })

  test('is judged by at most 32 revocation lists', async () => {
    const list = await revocationList(middle)
    const times = (count: number) => Array.from({ length: count }, () => list)
    await judged([leaf, middle, root], { crls: times(32) })
    await expect(judged([leaf, middle, root], { crls: times(33) })).rejects.toThrow(
      refusal('CHAIN_TOO_LARGE', {
        expected: 'at most 32',
        found: '33',
        message: expect.stringContaining('revocation lists'),
      }),
    )
  })
})

describe('a valid path', () => {
  test('is the first if no other was refused before', async () => {
    const expired = await authority('Middle', {
      issuer: root,
      keys: middle.keys,
      notBefore: inDays(-9),
      notAfter: inDays(-1),
    })
    expect((await validated(leaf, [middle])).isFirst).toBe(true)
    expect((await validated(leaf, [middle, expired])).isFirst).toBe(true)
    expect((await validated(leaf, [expired, middle])).isFirst).toBe(false)
  })

  test('may consist of a root alone, without any intermediate certificates', async () => {
    const { path } = await validPath({ ...chainOf(root, []), intermediates: undefined }, new Effort())
    expect(path).toHaveLength(1)
  })
})

describe('a path is refused', () => {
  test('if the key of its leaf is weak', async () => {
    await expect(validated(await signingLeaf(middle, { keys: weak }), [middle])).rejects.toThrow(
      refusal('CERTIFICATE_WEAK', { found: 'an RSA key of 1024 bits' }),
    )
  })

  test('if its extended usages do not nest', async () => {
    const limited = await authority('Limited', { issuer: root, extendedUsages: [SERVER_AUTH] })
    const signer = await signingLeaf(limited, { extendedUsages: [CODE_SIGNING] })
    await expect(validated(signer, [limited])).rejects.toThrow(refusal('CERTIFICATE_USAGE'))
    await expect(validated(leaf, [limited, middle], { usage: 'codeSigning' })).resolves.toBeDefined()
  })

  test('by the first refusal, even if the search ends with another', async () => {
    const roots = await Promise.all(
      Array.from({ length: 17 }, () =>
        authority('Root', { keys: root.keys, notBefore: inDays(-9), notAfter: inDays(-1) }),
      ),
    )
    const { der } = await signingLeaf(root)
    await expect(
      validPath({ ...chainOf(leaf, []), leaf: der, roots: roots.map((one) => one.der) }, new Effort()),
    ).rejects.toThrow(refusal('CERTIFICATE_EXPIRED'))
  })

  test('if a library fails on it', async () => {
    const cause = new TypeError('no such field')
    vi.mocked(library.validateByLibrary).mockRejectedValueOnce(cause)
    await expect(validated(leaf, [middle])).rejects.toThrow(refusal('CERTIFICATE_INVALID', { cause }))
  })

  test('once the caller aborts, while it is searched or judged', async () => {
    const aborted = new Effort(AbortSignal.abort())
    await expect(validated(leaf, [middle], {}, aborted)).rejects.toThrow(refusal('ABORTED'))
    const controller = new AbortController()
    const expired = await authority('Middle', {
      issuer: root,
      keys: middle.keys,
      notBefore: inDays(-9),
      notAfter: inDays(-1),
    })
    // The first path is refused; the caller aborts while the second is judged.
    vi.mocked(nameConstraints.checkNameConstraints).mockImplementationOnce((_path, effort) => {
      controller.abort()
      return effort.turn()
    })
    await expect(validated(leaf, [expired, middle], {}, new Effort(controller.signal))).rejects.toThrow(
      refusal('ABORTED'),
    )
  })

  test('once the caller aborts, even if another path was refused before', async () => {
    const controller = new AbortController()
    const expired = await authority('Root', { keys: root.keys, notBefore: inDays(-9), notAfter: inDays(-1) })
    class Aborting extends Effort {
      #left = 2
      override signatures(count?: number): Promise<void> {
        if (--this.#left === 0) controller.abort()
        return super.signatures(count)
      }
    }
    const { der } = await signingLeaf(root)
    const given = { ...chainOf(leaf, []), leaf: der, roots: [expired.der, root.der] }
    await expect(validPath(given, new Aborting(controller.signal))).rejects.toThrow(refusal('ABORTED'))
  })
})

test('the options are refused with the name of the function', async () => {
  await expect(validateChain({ leaf: leaf.der, roots: [], root: 1 } as never)).rejects.toThrow(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('validateChain') }),
  )
})
