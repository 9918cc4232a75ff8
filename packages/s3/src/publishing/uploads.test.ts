import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { s3Settings } from '../s3-settings.ts'
import { answerXml, errorXml, SmallS3, type Fault } from '../testing/small-s3.ts'
import { Uploads } from './uploads.ts'

const MIB = 1024 * 1024

let store: SmallS3
let directory: string
beforeEach(async () => {
  store = await SmallS3.start()
  onTestFinished(() => store.close())
  directory = scratch({ small: 'content' })
})

function file(name: string, size: number) {
  const path = join(directory, name)
  writeFileSync(path, name)
  truncateSync(path, size)
  return { name, path, key: `vad/${name}`, size, sha256: undefined }
}

interface Options {
  signal?: AbortSignal
  onProgress?: (bytes: number, total: number) => void
}

async function uploads({ signal, onProgress }: Options = {}): Promise<Uploads> {
  const made = new Uploads('models', await s3Settings(store.options, {}), { signal, onProgress })
  onTestFinished(() => made.stop())
  return made
}

const partOf = (url = '') => Number(/partNumber=(\d+)/.exec(url)?.[1] ?? 0)

/** Refuses one part once it has arrived. */
const refusing =
  (part: number, code: string): Fault =>
  (request, response) => {
    if (partOf(request.url) !== part) return false
    request.resume().on('end', () => answerXml(response, 403, errorXml(code)))
    return true
  }

describe('a large file', () => {
  test('is sent in parts', async () => {
    const progress: number[] = []
    const made = await uploads({ onProgress: (bytes) => void progress.push(bytes) })
    await made.files([file('weights', 130 * MIB)])
    expect(store.objects.get('vad/weights')?.length).toBe(130 * MIB)
    expect(store.objects.get('vad/weights')?.subarray(0, 7).toString()).toBe('weights')
    expect(store.asked.filter((line) => line.startsWith('PUT '))).toHaveLength(3)
    expect(progress.at(-1)).toBe(130 * MIB)
  })

  test('leaves no parts behind if one of them is refused', async () => {
    store.fault = refusing(3, 'AccessDenied')
    await expect((await uploads()).files([file('weights', 130 * MIB)])).rejects.toEqual(
      refusal('HTTP_RESPONSE', { found: 'status 403 (AccessDenied)' }),
    )
    expect(store.uploads.size).toBe(0)
    expect(store.asked.at(-1)).toMatch(/^DELETE /)
  })

  test('leaves no parts behind if the caller aborts', async () => {
    const abort = new AbortController()
    store.fault = (request) => {
      if (partOf(request.url) === 3) abort.abort()
      return false
    }
    await expect((await uploads({ signal: abort.signal })).files([file('weights', 130 * MIB)])).rejects.toEqual(
      refusal('ABORTED'),
    )
    expect(store.uploads.size).toBe(0)
  })

  test.each([
    ['an error after the status of success', errorXml('InternalError')],
    ['something else', '<html>'],
  ])('is not taken for joined by %s', async (_, xml) => {
    store.fault = (request, response) => {
      if (request.method !== 'POST' || !request.url?.includes('uploadId')) return false
      request.resume().on('end', () => answerXml(response, 200, xml))
      return true
    }
    const message = expect.stringContaining('Cannot send the file "weights"') as string
    await expect((await uploads()).files([file('weights', 65 * MIB)])).rejects.toEqual(
      refusal('HTTP_RESPONSE', { message }),
    )
    expect(store.uploads.size).toBe(0)
  })
})

describe('a file that changes', () => {
  test.each([5, 9])('to %i bytes is not sent, and not tried again', async (size) => {
    const changing = file('weights', 7)
    truncateSync(changing.path, size)
    await expect((await uploads()).files([changing])).rejects.toEqual(refusal('FILE_CHANGED', { file: 'weights' }))
    expect(store.objects.size).toBe(0)
    expect(store.asked.length).toBeLessThanOrEqual(1)
  })
})

test('a file that is sent again counts once', async () => {
  let times = 1
  store.fault = (request, response) => {
    if (request.method !== 'PUT' || times-- <= 0) return false
    request.resume().on('end', () => answerXml(response, 503, errorXml('SlowDown'), { 'retry-after': '0' }))
    return true
  }
  const progress: number[] = []
  await (await uploads({ onProgress: (bytes) => void progress.push(bytes) })).files([file('a', 4)])
  expect(progress).toEqual([4, 0, 4])
})
