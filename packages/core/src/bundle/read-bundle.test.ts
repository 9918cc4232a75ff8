import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bundleOver, keyPair } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { checkedMaxBundleBytes, isBundle, readBundle, readBundleWithBytes } from './read-bundle.ts'

const good = bundleOver(Buffer.from('{}'), keyPair())
const bundleFile = (content: Uint8Array = good) => join(scratch({ 'model.sig': content }), 'model.sig')

test('returns the bundle, its path and the bytes that were parsed', async () => {
  const path = bundleFile()
  const { bundle, bytes } = await readBundleWithBytes(path)
  expect(bytes.equals(good)).toBe(true)
  expect(bundle).toMatchObject({ path, size: good.length })
  expect(await readBundle(path)).toEqual(bundle)
})

describe('the maximum size', () => {
  test.each([
    [0, '0'],
    [-1, '-1'],
    [1.5, '1.5'],
    [NaN, 'NaN'],
    [512_000_001, '512000001'],
    ['1', 'string'],
    [null, 'object'],
  ])('cannot be %s', async (given, found) => {
    const refused = (option: string) =>
      refusal('INVALID_ARGUMENT', {
        message: expect.stringContaining(`Invalid value for option "${option}".`) as string,
        expected: 'an integer from 1 to 512000000 (bytes)',
        found,
      })
    expect(() => checkedMaxBundleBytes(given)).toThrow(refused('maxBundleBytes'))
    await expect(readBundle(bundleFile(), { maxBytes: given as number })).rejects.toEqual(refused('maxBytes'))
  })

  test('is 32 MiB or what was given', () => {
    expect(checkedMaxBundleBytes(undefined)).toBe(32 * 1024 * 1024)
    expect(checkedMaxBundleBytes(1)).toBe(1)
    expect(checkedMaxBundleBytes(512_000_000)).toBe(512_000_000)
  })

  test('is named in the refusal, with the file and its cause', async () => {
    const path = bundleFile()
    const maxBytes = good.length - 1
    await expect(readBundle(path, { maxBytes })).rejects.toEqual(
      refusal('BUNDLE_TOO_LARGE', {
        file: path,
        expected: `at most ${maxBytes} bytes`,
        found: `${good.length} bytes`,
        cause: refusal('FILE_TOO_LARGE'),
      }),
    )
  })
})

test('refuses options that do not exist', async () => {
  await expect(readBundle(bundleFile(), { maxbytes: 5 } as object)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('readBundle') as string }),
  )
})

test('reads nothing if it is aborted before', async () => {
  const missing = join(scratch(), 'model.sig')
  await expect(readBundle(missing, { signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
})

test('parses nothing if it is aborted while it reads', async () => {
  const controller = new AbortController()
  const reading = readBundle(bundleFile(Buffer.from('not a bundle')), { signal: controller.signal })
  controller.abort()
  await expect(reading).rejects.toEqual(refusal('ABORTED'))
})

describe('a file', () => {
  test('that can be parsed is a bundle', async () => {
    expect(await isBundle(bundleFile())).toBe(true)
  })

  test('that cannot be read or parsed is none', async () => {
    const path = bundleFile()
    writeFileSync(path, good.subarray(1))
    expect(await isBundle(path)).toBe(false)
    expect(await isBundle(`${path}.missing`)).toBe(false)
  })
})
