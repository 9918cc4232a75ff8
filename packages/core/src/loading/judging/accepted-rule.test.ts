import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ModelFormat } from '../../results.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { TestSite } from '../../testing/site.ts'
import { judgeModel } from '../operations/judge-model.ts'
import { Judging } from './judging.ts'

let site: TestSite
let content: Map<string, Buffer>

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  content = await site.signedContent('model')
})
afterAll(() => site.remove())

function policy(match: object, require: object = {}): Promise<string> {
  return site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'r', match, signers: [{ key: 'a' }], require }],
  })
}

test.each<[files: string, of: string, format: ModelFormat | undefined, require: object]>([
  ['loaded', 'a dataset', 'dataset', {}],
  ['all', 'a dataset, if the rule says so', 'dataset', { files: 'all' }],
  ['all', 'another format', 'onnx', {}],
  ['all', 'a model', undefined, {}],
])('the accepted rule requires %s files of %s', async (files, _, format, require) => {
  const source = memorySource('store://models/vad', content)
  const place = { place: source.place, label: 'm', opened: () => OpenedSource.open(source) }
  const given = await policy({ url: 'store://models/**' }, require)
  const judging = new Judging(place, format === undefined ? {} : { format }, { policy: given })
  await judging.judge(Date.now())
  expect(judging.accepted?.rule).toMatchObject({ name: 'r', require: { files } })
})

test('the verdict names the file that was loaded of a model in a directory', async () => {
  const path = site.file('model/weights.bin')
  const { decision, model } = await judgeModel(path, { policy: await policy({ path: 'model/**' }) })
  expect([decision, model]).toEqual(['accepted', expect.objectContaining({ path, entry: 'weights.bin' })])
})
