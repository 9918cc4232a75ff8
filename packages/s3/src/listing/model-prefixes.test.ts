import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { s3Source } from '../s3-source.ts'
import { answerXml, listingXml, SmallS3 } from '../testing/small-s3.ts'

let store: SmallS3
beforeEach(async () => {
  store = await SmallS3.start()
  onTestFinished(() => store.close())
})

async function modelsBelow(url: string): Promise<string[]> {
  const models: string[] = []
  for await (const model of s3Source(url, store.options).models?.({ signal: undefined }) ?? []) models.push(model)
  return models
}

test('the prefixes directly below a prefix are models, in order', async () => {
  for (const key of [
    'zoo/b/x',
    'zoo/a/x',
    'zoo/a/y/z',
    'zoo/a-b/x',
    'zoo/README.md',
    'zoo/.cache/x',
    'zoo/ü 1%/x',
    'zoology/x/y',
  ])
    store.objects.set(key, Buffer.from('x'))
  const models = ['s3://models/zoo/a-b', 's3://models/zoo/a', 's3://models/zoo/b', 's3://models/zoo/%C3%BC%201%25']
  for (const url of ['s3://models/zoo/', 's3://models/zoo']) expect(await modelsBelow(url)).toEqual(models)
  expect(await modelsBelow('s3://models')).toEqual(['s3://models/zoo', 's3://models/zoology'])
  expect(await modelsBelow('s3://models/none/')).toEqual([])
})

test('pages are requested as they are needed', async () => {
  for (let index = 1_000; index < 3_500; index++) store.objects.set(`zoo/${index}/x`, Buffer.from('x'))
  const listed = s3Source('s3://models/zoo/', store.options).models?.({ signal: undefined })
  let count = 0
  for await (const model of listed ?? []) {
    expect(model).toBe(`s3://models/zoo/${1_000 + count++}`)
    if (count === 1_500) expect(store.asked).toHaveLength(2)
  }
  expect(count).toBe(2_500)
  expect(store.asked).toHaveLength(3)
})

describe('a listing is refused with', () => {
  test.each([
    ['a name that leaves the prefix', ['zoo/../']],
    ['a name with a backslash', ['zoo/a\\b/']],
    ['a control character', ['zoo/a\nb/']],
    ['an empty name', ['zoo//']],
    ['a prefix that was not requested', ['other/a/']],
    ['a name without an end', ['zoo/a']],
    ['a name twice', ['zoo/a/', 'zoo/a/']],
    ['names that are not in order', ['zoo/b/', 'zoo/a/']],
  ])('%s', async (_, prefixes) => {
    store.fault = (_request, response) => {
      answerXml(response, 200, listingXml(prefixes))
      return true
    }
    await expect(modelsBelow('s3://models/zoo/')).rejects.toEqual(refusal('SOURCE_LISTING'))
  })

  test('the same page for ever', async () => {
    let page = 0
    store.fault = (_request, response) => {
      answerXml(response, 200, listingXml(['zoo/a/'], `page-${page++}`))
      return true
    }
    await expect(modelsBelow('s3://models/zoo/')).rejects.toEqual(refusal('SOURCE_LISTING'))
    expect(page).toBe(2)
  })

  test('pages without prefixes for ever', async () => {
    let page = 0
    store.fault = (_request, response) => {
      answerXml(response, 200, listingXml([], `page-${page++}`))
      return true
    }
    await expect(modelsBelow('s3://models/zoo/')).rejects.toEqual(refusal('SOURCE_LISTING'))
    expect(page).toBe(1_001)
  })
})

test('a listing that is aborted ends', async () => {
  const listed = s3Source('s3://models/zoo/', store.options).models?.({ signal: AbortSignal.abort() })
  await expect(listed?.[Symbol.asyncIterator]().next()).rejects.toEqual(refusal('ABORTED'))
})
