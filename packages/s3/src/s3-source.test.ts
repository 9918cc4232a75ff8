import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join, dirname } from 'node:path'
import { openVerifiedModel } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { refusal } from '../../core/src/testing/scratch.ts'
import { signedDirectory, type SignedDirectory } from '../../hub/src/testing/signed-model.ts'
import { s3Source } from './s3-source.ts'
import { answerXml, errorXml, listingXml, SmallS3, tagOf } from './testing/small-s3.ts'

let store: SmallS3
let signed: SignedDirectory
beforeEach(async () => {
  store = await SmallS3.start()
  onTestFinished(() => store.close())
  signed = await signedDirectory()
  upload('vad')
})

const NAMES = ['config.json', 'README.md', 'onnx/weights.bin', 'empty.txt', 'model.sig']

function upload(prefix: string, names: readonly string[] = NAMES): void {
  for (const name of names) store.objects.set(`${prefix}/${name}`, readFileSync(join(signed.model, name)))
}

function policy(rule: object = {}): string {
  const all = { name: 'all', match: { url: 's3://models/**' }, signers: [{ key: 'release' }], ...rule }
  const file = join(dirname(signed.publicKey), 'policy.yaml')
  writeFileSync(
    file,
    JSON.stringify({ version: 1, trustRoots: { release: { publicKey: 'release.pub' } }, rules: [all] }),
  )
  return file
}

const open = (url = 's3://models/vad', options = {}) =>
  openVerifiedModel(s3Source(url, store.options), { policy: policy(), ...options })

describe('a model below a prefix', () => {
  test('is listed once, and read by its listed version', async () => {
    const model = await open()
    expect(model.verdict).toMatchObject({ decision: 'accepted', model: { url: 's3://models/vad' } })
    expect(Buffer.from(await model.read('config.json')).toString()).toBe('{}')
    await model.close()
    expect(store.asked.filter((line) => line.includes('list-type'))).toHaveLength(1)
  })

  test('has its bundle inside, beside it, or in skill.oms.sig', async () => {
    for (const [place, other] of [
      ['vad/model.sig', 'vad.sig'],
      ['vad.sig', 'vad/skill.oms.sig'],
    ] as const) {
      store.objects.set(other, store.objects.get(place) as Buffer)
      store.objects.delete(place)
      const model = await open()
      expect(model.verdict.bundles).toMatchObject([{ path: `s3://models/${other}` }])
      await model.close()
    }
  })

  test('is refused with an object that is not signed', async () => {
    store.objects.set('vad/more.py', Buffer.from('x'))
    await expect(open()).rejects.toEqual(refusal('FILE_UNSIGNED'))
    expect(store.asked.filter((line) => line.startsWith('GET /models/vad/')).map((line) => line.slice(4))).toEqual([
      '/models/vad/model.sig',
    ])
  })

  test('may have empty objects for folders, and no others whose key ends with a slash', async () => {
    store.objects.set('vad/', Buffer.alloc(0))
    store.objects.set('vad/onnx/', Buffer.alloc(0))
    await (await open()).close()
    store.objects.set('vad/onnx/', Buffer.from('x'))
    await expect(open()).rejects.toEqual(refusal('SOURCE_LISTING'))
  })

  test('is not found where there is none', async () => {
    await expect(open('s3://models/none')).rejects.toEqual(refusal('MODEL_NOT_FOUND', { file: 's3://models/none' }))
    store.fault = (_, response) => {
      answerXml(response, 404, errorXml('NoSuchBucket'))
      return true
    }
    // Pushes and inspections say the same, so it does not speak of a load.
    const message = expect.stringContaining('Cannot find "s3://models/') as string
    await expect(open()).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND', message })
  })

  test('may name its bundle in the call, in the same bucket', async () => {
    store.objects.set('signatures/vad', store.objects.get('vad/model.sig') as Buffer)
    store.objects.delete('vad/model.sig')
    await (await open(undefined, { signature: 's3://models/signatures/vad' })).close()
    await expect(open(undefined, { signature: 's3://other/signatures/vad' })).rejects.toEqual(
      refusal('INVALID_ARGUMENT'),
    )
  })
})

test('nothing is requested while a source is opened', async () => {
  const session = await s3Source('s3://models/vad', store.options).open({ signal: undefined })
  expect(store.asked).toEqual([])
  await session.close?.()
})

test('an "ETag" in a listing that cannot be sent as a condition is not used', async () => {
  const objects = [...store.objects].map(([key, { length }]) => ({ key, size: length, etag: '"é ü"' }))
  store.fault = (_, response, key) => {
    if (key === '') answerXml(response, 200, listingXml(objects))
    return key === ''
  }
  await (await open()).close()
})

test('keys are listed with and without the encoding that was requested', async () => {
  const raw = [...store.objects].map(
    ([key, content]) => `<Contents><Key>${key}</Key><Size>${content.length}</Size><ETag></ETag></Contents>`,
  )
  const page = `<ListBucketResult><EncodingType></EncodingType><IsTruncated>false</IsTruncated>${raw.join('')}</ListBucketResult>`
  store.fault = (_, response, key) => {
    if (key === '') answerXml(response, 200, page)
    return key === ''
  }
  await (await open()).close()
})

describe('a single object', () => {
  beforeEach(async () => {
    const { privateKey, model } = signed
    const signature = join(mkdtempSync(join(dirname(model), 'one-')), 'weights.sig')
    await signModel(join(model, 'onnx/weights.bin'), { signer: await keySigner({ privateKey }), signature })
    store.objects.set('one/weights.bin', readFileSync(join(model, 'onnx/weights.bin')))
    store.objects.set('one/weights.bin.sig', readFileSync(signature))
  })

  test('is loaded by its own signature', async () => {
    const model = await open('s3://models/one/weights.bin')
    expect(model.verdict.bundles).toMatchObject([{ path: 's3://models/one/weights.bin.sig' }])
    expect((await model.read('weights.bin')).length).toBe(700_000)
    await model.close()
  })

  test('is loaded by the signature of a prefix above it', async () => {
    const model = await open('s3://models/vad/onnx/weights.bin')
    expect(model.verdict.bundles).toMatchObject([{ path: 's3://models/vad/model.sig' }])
    await model.close()
  })
})

describe('an object that changes', () => {
  const weights = () => store.objects.get('vad/onnx/weights.bin') as Buffer
  const other = () => Buffer.from(weights()).fill('x')

  test('after it was listed is refused', async () => {
    store.fault = (request, _, key) => {
      if (key === 'vad/onnx/weights.bin' && request.method === 'GET') store.objects.set(key, other())
      return false
    }
    await expect(open()).rejects.toEqual(refusal('FILE_CHANGED', { file: 's3://models/vad/onnx/weights.bin' }))
  })

  test('is noticed where the store ignores conditions', async () => {
    store.fault = (request, response, key) => {
      if (key !== 'vad/config.json') return false
      const content = Buffer.from('{}')
      response.writeHead(200, { etag: '"another"', 'content-length': content.length }).end(content)
      return request.method === 'GET'
    }
    await expect(open()).rejects.toEqual(
      refusal('FILE_CHANGED', {
        expected: `"\\"${tagOf(Buffer.from('{}')).replaceAll('"', '')}\\""`,
        found: '"\\"another\\""',
      }),
    )
  })

  test('and says that it did not is refused by its content', async () => {
    const [content, tag] = [other(), tagOf(weights())]
    store.fault = (_, response, key) => {
      if (key !== 'vad/onnx/weights.bin') return false
      response.writeHead(200, { etag: tag, 'content-length': content.length }).end(content)
      return true
    }
    await expect(open()).rejects.toEqual(refusal('FILE_MISMATCH'))
  })
})

describe('a store that answers wrongly is refused:', () => {
  const answering = (key: string, answer: Parameters<typeof answerXml>) => {
    store.fault = (_, response, asked) => {
      if (asked !== key) return false
      answerXml(response, answer[1], answer[2], answer[3])
      return true
    }
  }

  test.each([
    ['HTML with 200', [200, '<html></html>']],
    ['more bytes than were listed', [200, '{}{}']],
    ['206 without a request for a part', [206, '{}']],
    ['204', [204, '']],
  ] as const)('%s for a file', async (_, [status, text]) => {
    answering('vad/config.json', [undefined as never, status, text])
    await expect(open()).rejects.toEqual(refusal('HTTP_RESPONSE'))
  })

  test.each([
    ['HTML', '<html></html>'],
    ['nothing', ''],
    [
      'an entity of its own',
      '<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>',
    ],
    ['XML that is not well-formed', '<ListBucketResult><IsTruncated>false</ListBucketResult>'],
    ['no end', '<ListBucketResult></ListBucketResult>'],
    ['too many elements', `<ListBucketResult>${'<a/>'.repeat(50_001)}</ListBucketResult>`],
    ['nesting', '<a>'.repeat(10_000)],
    ['the same page for ever', listingXml([], 'again')],
    ['a key outside the prefix', listingXml([{ key: 'other/x', size: 1, etag: '"e"' }])],
    ['a key twice', listingXml(['vad/x', 'vad/x'].map((key) => ({ key, size: 1, etag: '"e"' })))],
    ['a key in two spellings', listingXml(['vad/x', 'vad/X'].map((key) => ({ key, size: 1, etag: '"e"' })))],
    ['a size that is none', listingXml([{ key: 'vad/x', size: -1, etag: '"e"' }])],
    ['a key that leaves the prefix', listingXml([{ key: 'vad/../x', size: 1, etag: '"e"' }])],
    ['an encoding that is unknown', listingXml([{ key: 'vad/x', size: 1, etag: '"e"' }]).replace('>url<', '>base64<')],
  ])('%s in place of a listing', async (_, xml) => {
    answering('', [undefined as never, 200, xml])
    await expect(open()).rejects.toEqual(refusal('SOURCE_LISTING'))
  })

  test('a page that arrives byte by byte is given up', async () => {
    store.fault = (_, response, key) => {
      if (key !== '') return false
      const timer = setInterval(() => void response.write(' '), 20)
      response.on('close', () => clearInterval(timer))
      const later = process.uptime() + 700
      setTimeout(() => vi.spyOn(process, 'uptime').mockReturnValue(later), 60)
      return true
    }
    onTestFinished(() => void vi.restoreAllMocks())
    await expect(open()).rejects.toEqual(refusal('SOURCE_LISTING'))
  })

  test('an error that arrives byte by byte is reported', async () => {
    store.fault = (_, response, key) => {
      if (key !== '') return false
      response.writeHead(403)
      const timer = setInterval(() => void response.write(' '), 20)
      response.on('close', () => clearInterval(timer))
      const later = process.uptime() + 11
      setTimeout(() => vi.spyOn(process, 'uptime').mockReturnValue(later), 60)
      return true
    }
    onTestFinished(() => void vi.restoreAllMocks())
    await expect(open()).rejects.toEqual(refusal('HTTP_RESPONSE', { found: 'status 403' }))
  })

  test('a listing without end is given up', async () => {
    let page = 0
    store.fault = (_, response, key) => {
      if (key !== '') return false
      answerXml(response, 200, listingXml([{ key: `vad/${page++}`, size: 1, etag: '"e"' }], `page-${page}`))
      return true
    }
    await expect(open()).rejects.toEqual(refusal('SOURCE_LISTING'))
    expect(page).toBe(1_000)
  })
})
