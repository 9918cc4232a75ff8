import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import type { ModelSealError } from '../../errors.ts'
import { Segment } from '../../journal/writing/segments/segment.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { attestModel } from '../operations/attest-model.ts'
import { downloadModel } from './download-model.ts'

let site: TestSite
let policy: string

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel('model')
  policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }] }],
    journal: { directory: 'journal', durability: 'interval', required: true },
  })
})
afterAll(() => site.remove())

async function directory(name: string): Promise<string> {
  await mkdir(site.file(name), { mode: 0o700 })
  return site.file(name)
}

test('nothing is left of a model that is refused once all of it has arrived', async () => {
  const into = await directory('refused')
  const write = vi.spyOn(Segment.prototype, 'write').mockRejectedValue(new Error('full'))
  await expect(downloadModel(site.file('model'), into, { policy })).rejects.toEqual(refusal('JOURNAL_FAILED'))
  write.mockRestore()
  expect(await readdir(into)).toEqual([])
})

test('what cannot be removed of a refused model is named', async () => {
  const into = await directory('unremovable')
  const write = vi.spyOn(Segment.prototype, 'write').mockImplementation(async () => {
    // The journal of the test above may still be retried, at any time.
    const names = await readdir(into)
    if (names.includes('model.sig') && !names.includes('.modelseal-incomplete')) await rm(into, { recursive: true })
    throw new Error('full')
  })
  onTestFinished(() => write.mockRestore())
  const failed: unknown = await downloadModel(site.file('model'), into, { policy }).catch((error: unknown) => error)
  expect(failed).toEqual(refusal('JOURNAL_FAILED', { hint: expect.stringContaining(JSON.stringify(into)) as string }))
  expect((failed as ModelSealError).hint).toMatch(/^Remove the directory "[^"]+": .* \S/)
  expect((failed as ModelSealError).verdict?.rule).toBe('all')
})

test('a download says how many attestations were saved', async () => {
  const none = await downloadModel(site.file('model'), await directory('none'), { policy })
  expect(none.attestations).toBe(0)
  const signer = await keySigner({ privateKey: site.file('a.key') })
  for (const approved of [true, false])
    await attestModel(site.file('model'), { signer, type: 'https://example.org/review/v1', predicate: { approved } })
  const into = await directory('two')
  const two = await downloadModel(site.file('model'), into, { policy })
  expect(two.attestations).toBe(2)
  expect((await readFile(`${into}/claims.jsonl`, 'utf8')).trim().split('\n')).toHaveLength(2)
})
