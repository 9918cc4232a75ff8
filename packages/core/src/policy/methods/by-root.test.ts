import { describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { refusal } from '../../testing/scratch.ts'
import { identifyByRoot } from './by-root.ts'

interface Accepted {
  root: string
  name: string
}

const notTrusted = (found = 'the one that it claims') => new ModelSealError('SIGNER_NOT_TRUSTED', found)

/** The signer that each root verifies; others refuse the bundle with the code. */
function identify(entries: readonly [root: string, name: string][], verified: Readonly<Record<string, unknown>>) {
  const verify = vi.fn(async (root: string) => {
    const found = await Promise.resolve(verified[root])
    if (found instanceof Error) throw found
    return { signer: found }
  })
  const identification = {
    entries: entries.map(([root, name], place) => ({ index: place + 3, accepted: { root, name } })),
    notTrusted,
  }
  const rooted = {
    verify,
    accepts: ({ name }: Accepted, signer: unknown) => name === signer,
    found: (signer: unknown) => `found ${String(signer)}`,
  }
  const identified = identifyByRoot(identification as never, rooted as never)
  return { identified, verify }
}

const invalid = new ModelSealError('SIGNATURE_INVALID', 'Not valid.')
const expired = new ModelSealError('CERTIFICATE_EXPIRED', 'Expired.')

describe('a bundle is verified against each root that the entries name', () => {
  test('until one accepts its signer, for all entries with this root that do', async () => {
    const { identified, verify } = identify(
      [
        ['one', 'A'],
        ['two', 'B'],
        ['two', 'A'],
        ['three', 'A'],
        ['two', 'A'],
      ],
      { one: 'B', two: 'A', three: 'A' },
    )
    expect(await identified).toEqual({ signature: { signer: 'A' }, signers: [5, 7], validities: [] })
    expect(verify.mock.calls).toEqual([['one'], ['two']])
  })

  test('even if an earlier one refuses it', async () => {
    const entries: [string, string][] = [['one', 'A'], ['two', 'A']] // prettier-ignore
    expect((await identify(entries, { one: invalid, two: 'A' }).identified).signers).toEqual([4])
  })

  test('and refused for the reason of the first', async () => {
    const entries: [string, string][] = [['one', 'A'], ['two', 'A']] // prettier-ignore
    for (const [verified, code, message] of [
      [{ one: invalid, two: expired }, 'SIGNATURE_INVALID', 'Not valid.'],
      [{ one: 'B', two: expired }, 'SIGNER_NOT_TRUSTED', 'found B'],
      [{ one: expired, two: 'B' }, 'CERTIFICATE_EXPIRED', 'Expired.'],
      [{ one: 'B', two: 'C' }, 'SIGNER_NOT_TRUSTED', 'found B'],
    ] as const)
      await expect(identify(entries, verified).identified).rejects.toEqual(refusal(code, { message }))
  })

  test('and refused if there is none', async () => {
    await expect(identify([], {}).identified).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED', { message: 'the one that it claims' }),
    )
  })

  test.each([
    ['an abort', new ModelSealError('ABORTED', 'Aborted.')],
    ['a mistake of ours', new TypeError('ours')],
  ])('but not after %s', async (_, error) => {
    const { identified, verify } = identify([['one', 'A'], ['two', 'A']], { one: error, two: 'A' }) // prettier-ignore
    await expect(identified).rejects.toBe(error)
    expect(verify).toHaveBeenCalledTimes(1)
  })
})
