import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { HashType } from '../hashing/algorithms.ts'
import { listFiles } from '../testing/list-files.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import type { FileIdentity } from '../source/local/source-file.ts'
import { scratch } from '../testing/scratch.ts'
import {
  GRANULARITY,
  isUnchanged,
  makeReceipt,
  parseReceipt,
  receiptFault,
  writeReceipt,
  type MadeReceipt,
  type Receipt,
} from './receipt.ts'

const LINUX = process.platform === 'linux'
const PLATFORM = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor
const DIGESTS = { rootDigest: 'a'.repeat(64), bundleDigest: 'b'.repeat(64) }

async function checked(hashedAt: number) {
  const model = scratch({ 'config.json': '{}', 'sub/weights.bin': 'weights' })
  const files = await listFiles(await openLocalSource(model), { ignored: () => false, followLinks: false })
  return { model, ...DIGESTS, hashedAt, files }
}

function whole({ receipt, leftOut }: MadeReceipt): Receipt {
  if (receipt && leftOut === undefined) return receipt
  throw new Error(`no receipt of every file: ${leftOut}`)
}

describe.runIf(LINUX)('a receipt', () => {
  test('remembers every file and can be written and parsed', async () => {
    const model = await checked(Date.now() + 2 * GRANULARITY)
    const receipt = whole(makeReceipt(model))
    expect([...receipt.files.keys()].sort()).toEqual(['config.json', 'sub/weights.bin'])
    expect(parseReceipt(writeReceipt(receipt))).toEqual(receipt)
    expect(model.files.every((file) => isUnchanged(receipt, file))).toBe(true)
  })

  test('remembers additional digests of every file', async () => {
    const model = await checked(Date.now() + 2 * GRANULARITY)
    const digests = new Map(model.files.map(({ name }) => [name, ['c'.repeat(64), 'd'.repeat(128)]]))
    const receipt = whole(makeReceipt({ ...model, further: { hashTypes: ['sha256', 'blake2b'], digests } }))
    expect(receipt.further?.digests.size).toBe(2)
    expect(parseReceipt(writeReceipt(receipt))).toEqual(receipt)
  })

  test.each([
    ['a digest is missing', ['sha256'], []],
    ['a digest is too short', ['sha256'], ['c'.repeat(63)]],
    ['a digest is not lowercase hex', ['sha256'], ['C'.repeat(64)]],
    ['there is a digest without a hash type', [], ['c'.repeat(64)]],
    ['a hash type is unknown', ['md5'], ['c'.repeat(32)]],
  ])('is not accepted if %s', async (_, hashTypes, row) => {
    const model = await checked(Date.now() + 2 * GRANULARITY)
    const digests = new Map(model.files.map(({ name }) => [name, row]))
    const further = { hashTypes: hashTypes as HashType[], digests }
    expect(parseReceipt(writeReceipt(whole(makeReceipt({ ...model, further }))))).toBeUndefined()
  })

  test('is not made for files that changed just before they were hashed', async () => {
    const model = await checked(Date.now())
    const leftOut = 'files that changed within 2 s before they were hashed'
    expect(makeReceipt(model)).toEqual({ leftOut })
    expect(makeReceipt({ ...model, partial: true })).toEqual({ leftOut })
  })

  test.each(['mtimeNs', 'ctimeNs'] as const)(
    'is made if the last change was 2 s before hashing, by its %s',
    async (field) => {
      const model = await checked(1_000_000)
      const change = BigInt(model.hashedAt - GRANULARITY) * 1_000_000n
      const changedAt = (time: bigint) => {
        const times = { mtimeNs: change - 1_000_000_000n, ctimeNs: change - 1_000_000_000n, [field]: time }
        return { ...model, files: model.files.map((file) => ({ ...file, identity: { ...file.identity, ...times } })) }
      }
      expect(makeReceipt(changedAt(change)).leftOut).toBeUndefined()
      expect(makeReceipt(changedAt(change + 1_000_000n))).toEqual({
        leftOut: 'files that changed within 2 s before they were hashed',
      })
    },
  )

  test('is not made for files that somebody else can write to', async () => {
    const model = await checked(Date.now() + 2 * GRANULARITY)
    const files = model.files.map((file) => ({ ...file, exposed: 'the mode 0666' }))
    expect(makeReceipt({ ...model, files })).toEqual({ leftOut: 'files that others could write to (the mode 0666)' })
    const [first, ...others] = model.files
    if (!first) throw new Error('no file')
    const some = { ...model, files: [{ ...first, exposed: 'the mode 0666' }, ...others] }
    expect(makeReceipt(some)).toEqual({ leftOut: 'files that others could write to (the mode 0666)' })
    const { receipt, leftOut } = makeReceipt({ ...some, partial: true })
    expect(leftOut).toBe('files that others could write to (the mode 0666)')
    expect(receipt?.files.size).toBe(model.files.length - 1)
    expect(receipt && isUnchanged(receipt, first)).toBe(false)
  })

  test('is not made for files on another file system', async () => {
    const model = await checked(Date.now() + 2 * GRANULARITY)
    const files = model.files.map((file) => ({ ...file, identity: { ...file.identity, dev: file.identity.dev + 1n } }))
    expect(makeReceipt({ ...model, files })).toEqual({ leftOut: 'files that are not on the file system of the model' })
  })

  test('is not made on a file system that is not local', async () => {
    const { receipt, leftOut } = makeReceipt({ ...(await checked(0)), model: '/proc/self' })
    expect(receipt).toBeUndefined()
    expect(leftOut).toMatch(/^a file system \(0x9fa0\)/)
  })

  test('is neither made nor used on other operating systems', async () => {
    const model = await checked(Date.now() + 2 * GRANULARITY)
    const receipt = whole(makeReceipt(model))
    Object.defineProperty(process, 'platform', { ...PLATFORM, value: 'darwin' })
    onTestFinished(() => void Object.defineProperty(process, 'platform', PLATFORM))
    const fault = 'an operating system (darwin) on which receipts are not used'
    expect(makeReceipt(model)).toEqual({ leftOut: fault })
    expect(receiptFault(receipt, receipt.hashedAt + GRANULARITY)).toBe(fault)
  })

  test('is not used within the granularity of timestamps, or if it is from the future', async () => {
    const receipt = whole(makeReceipt(await checked(Date.now() + 2 * GRANULARITY)))
    const tooYoung = 'a receipt that is too new to use (less than 2 s old)'
    expect(receiptFault(receipt, receipt.hashedAt + GRANULARITY)).toBeUndefined()
    expect(receiptFault(receipt, receipt.hashedAt + GRANULARITY - 1)).toBe(tooYoung)
    expect(receiptFault(receipt, receipt.hashedAt - 1)).toBe(tooYoung)
  })

  test.each(['dev', 'ino', 'size', 'mtimeNs', 'ctimeNs'] as const)(
    'does not apply to a file with another %s',
    async (field) => {
      const model = await checked(Date.now() + 2 * GRANULARITY)
      const receipt = whole(makeReceipt(model))
      const [file] = model.files
      if (!file) throw new Error('no file')
      const identity: FileIdentity = { ...file.identity }
      if (field === 'size') identity.size++
      else identity[field]++
      expect(isUnchanged(receipt, { ...file, identity })).toBe(false)
      expect(isUnchanged(receipt, { ...file, name: 'another' })).toBe(false)
      expect(isUnchanged(receipt, { ...file, exposed: 'the mode 0666' })).toBe(false)
    },
  )
})

test('anything else is not accepted as a receipt', () => {
  const receipt = { version: 1, model: '/m', ...DIGESTS, hashedAt: 1, files: [['a', '1', '2', 3, '4', '5']] }
  const parsed = (value: unknown) => parseReceipt(Buffer.from(JSON.stringify(value)))
  expect(parsed(receipt)?.files.get('a')).toEqual({ dev: 1n, ino: 2n, size: 3, mtimeNs: 4n, ctimeNs: 5n })
  for (const field of Object.keys(receipt)) {
    expect(parsed({ ...receipt, [field]: undefined })).toBeUndefined()
    expect(parsed({ ...receipt, [field]: {} })).toBeUndefined()
  }
  expect(parsed({ ...receipt, version: 2 })).toBeUndefined()
  expect(parsed({ ...receipt, hashTypes: ['md5'], files: [] })).toBeUndefined()
  for (const row of [
    ['a', 'x', '2', 3, '4', '5'],
    [1, '1', '2', 3, '4', '5'],
    ['a', '1', '2', 3.5, '4', '5'],
    ['a', '1', '2', '3', '4', '5'],
  ])
    expect(parsed({ ...receipt, files: [row] })).toBeUndefined()
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((json) => Buffer.from(json)),
      ),
      (bytes) => {
        expect(parseReceipt(bytes)).toBeUndefined()
      },
    ),
  )
})
