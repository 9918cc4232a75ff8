import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { s3Source } from '../s3-source.ts'
import { answerXml, errorXml, SmallS3 } from '../testing/small-s3.ts'

let store: SmallS3
beforeEach(async () => {
  store = await SmallS3.start({ 'vad/config.json': '{}', 'one.onnx': 'x', 'empty/': '' })
  onTestFinished(() => store.close())
})

const MAX_BYTES = 100
const bundleOf = async (url: string) => {
  const bundle = await s3Source(url, store.options).bundleToWrite?.({ signal: undefined })
  return bundle ?? expect.fail('no bundle')
}

test.each([
  ['s3://models/vad', 'vad/model.sig', 'model.sig'],
  ['s3://models/vad/', 'vad/model.sig', 'model.sig'],
  ['s3://models', 'model.sig', 'model.sig'],
  ['s3://models/one.onnx', 'one.onnx.sig', undefined],
])('the bundle of %s is where a load looks first', async (url, key, name) => {
  const bundle = await bundleOf(url)
  expect(bundle).toMatchObject({ path: `s3://models/${key}`, name })
  expect(await bundle.read(MAX_BYTES)).toBeUndefined()
  await bundle.write(Buffer.from('bundle'))
  expect(store.objects.get(key)?.toString()).toBe('bundle')
  expect(Buffer.from((await (await bundleOf(url)).read(MAX_BYTES)) ?? '').toString()).toBe('bundle')
  await bundle.close()
})

test.each(['s3://models/none', 's3://models/one.onnx/', 's3://models/empty'])('%s is no model', async (url) => {
  await expect(bundleOf(url)).rejects.toEqual(refusal('MODEL_NOT_FOUND'))
})

test.each([
  ['none was', undefined],
  ['another one was', 'first'],
])('a bundle that somebody else has written where %s stays', async (_, there) => {
  if (there !== undefined) store.objects.set('vad/model.sig', Buffer.from(there))
  const bundle = await bundleOf('s3://models/vad')
  await bundle.read(MAX_BYTES)
  store.objects.set('vad/model.sig', Buffer.from('of somebody else'))
  await expect(bundle.write(Buffer.from('mine'))).rejects.toEqual(refusal('FILE_CHANGED'))
  expect(store.objects.get('vad/model.sig')?.toString()).toBe('of somebody else')
})

test('a bundle is replaced if nobody has changed it', async () => {
  store.objects.set('vad/model.sig', Buffer.from('first'))
  const bundle = await bundleOf('s3://models/vad')
  await bundle.read(MAX_BYTES)
  await bundle.write(Buffer.from('second'))
  expect(store.objects.get('vad/model.sig')?.toString()).toBe('second')
})

test('a bundle counts as written if the answer was lost', async () => {
  const bundle = await bundleOf('s3://models/vad')
  await bundle.read(MAX_BYTES)
  store.fault = async (request, response, key) => {
    if (request.method !== 'PUT' || store.objects.has(key)) return false
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    store.objects.set(key, Buffer.concat(chunks))
    answerXml(response, 503, errorXml('SlowDown'))
    return true
  }
  await bundle.write(Buffer.from('mine'))
  expect(store.asked.filter((line) => line.startsWith('PUT'))).toHaveLength(2)
})

test('a store that serves other bytes than were written is reported', async () => {
  const bundle = await bundleOf('s3://models/vad')
  store.fault = (request, response, key) => {
    if (request.method !== 'PUT') return false
    request.resume().on('end', () => {
      store.objects.set(key, Buffer.from('else'))
      response.writeHead(200).end()
    })
    return true
  }
  await expect(bundle.write(Buffer.from('mine'))).rejects.toEqual(refusal('PUSH_UNPROVEN'))
})

test('a bundle that is too large is not read', async () => {
  store.objects.set('vad/model.sig', Buffer.alloc(MAX_BYTES + 1))
  await expect((await bundleOf('s3://models/vad')).read(MAX_BYTES)).rejects.toEqual(refusal('SOURCE_FAILED'))
})
