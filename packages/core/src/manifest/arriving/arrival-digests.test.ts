import { afterAll, describe, expect, test } from 'vitest'
import { CallingThreadHasher } from '../../hashing/arriving/piece-hasher.ts'
import { ThreadHasher } from '../../hashing/arriving/thread-hasher.ts'
import { closeHashPool } from '../../hashing/pool.ts'
import type { FurtherDigests } from '../contents.ts'
import { ArrivalDigests } from './arrival-digests.ts'

afterAll(() => closeHashPool())

/** Records what is checked by the further digests. */
function further(...hashTypes: FurtherDigests['hashTypes']): FurtherDigests & { checked: string[][] } {
  const checked: string[][] = []
  return { hashTypes, checked, check: (...given) => void checked.push(given) }
}

const MAIN = { hashType: 'blake2b', shardSize: 4 } as const

describe('the digests of an arriving file', () => {
  test('are those of the manifest, then further ones of the whole file', () => {
    const types = further('sha256', 'blake3')
    const digests = new ArrivalDigests(MAIN, types)
    expect(digests.wanted).toEqual([
      { hashType: 'blake2b', partBytes: 4 },
      { hashType: 'sha256', partBytes: Infinity },
      { hashType: 'blake3', partBytes: Infinity },
    ])
    const main: string[][] = []
    digests.check('a', [['1', '2'], ['3'], ['4']], (found) => void main.push([...found]))
    expect(main).toEqual([['1', '2']])
    expect(types.checked).toEqual([
      ['a', 'sha256', '3'],
      ['a', 'blake3', '4'],
    ])
  })

  test('may be further ones only', () => {
    const types = further('sha256')
    const digests = new ArrivalDigests(undefined, types)
    expect(digests.wanted).toEqual([{ hashType: 'sha256', partBytes: Infinity }])
    const main: string[][] = []
    digests.check('a', [['3']], (found) => void main.push([...found]))
    expect([main, types.checked]).toEqual([[[]], [['a', 'sha256', '3']]])
  })

  test('are refused by the further ones only after the manifest accepted the file', () => {
    const types = further('sha256')
    const refuse = () => {
      throw new RangeError('refused')
    }
    expect(() => new ArrivalDigests(MAIN, types).check('a', [['1'], ['3']], refuse)).toThrow('refused')
    expect(types.checked).toEqual([])
    const refusing = { hashTypes: ['sha256'], check: refuse } as const
    expect(() => new ArrivalDigests(MAIN, refusing).check('a', [['1'], ['3']], () => {})).toThrow('refused')
  })

  test('that are missing are not taken for a match', () => {
    const types = further('sha256')
    const main: string[][] = []
    new ArrivalDigests(MAIN, types).check('a', [], (found) => void main.push([...found]))
    expect([main, types.checked]).toEqual([[[]], [['a', 'sha256', '']]])
  })
})

test('only a large file that is hashed at all gets a thread', () => {
  const digests = new ArrivalDigests(MAIN, further())
  for (const announced of [undefined, 0, 8 * 1024 ** 2 - 1])
    expect(digests.hasher(announced)).toBeInstanceOf(CallingThreadHasher)
  const large = digests.hasher(8 * 1024 ** 2)
  expect(large).toBeInstanceOf(ThreadHasher)
  large.end()
  expect(new ArrivalDigests(undefined, further()).hasher(8 * 1024 ** 2)).toBeInstanceOf(CallingThreadHasher)
})
