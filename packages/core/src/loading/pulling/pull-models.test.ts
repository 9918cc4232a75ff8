import { appendFile, copyFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { attestModel } from '../operations/attest-model.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { pullModels } from './pull-models.ts'

let site: TestSite
let policy: string
let number = 0

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.key('b')
  policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } },
    rules: [
      { name: 'two', match: { path: '**/two/**' }, signers: [{ key: 'a' }, { key: 'b' }], threshold: 2 },
      { name: 'skipped', match: { path: '**/skipped' }, mode: 'skip', reason: 'a test' },
      { name: 'all', match: { path: '**' }, signers: [{ key: 'a' }] },
      { name: 'store', match: { url: 'store://**' }, signers: [{ key: 'a' }] },
    ],
  })
  await site.model('vad', { 'config.json': '{}', 'sub/weights.bin': 'weights' })
  await site.sign('vad', 'a')
  await site.model('stranger')
  await site.sign('stranger', 'b')
})
afterAll(() => site.remove())

/** A new directory for one test. */
function place(): string {
  return site.file(`place-${++number}`)
}

async function namesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => !entry.isDirectory())
  return files.map(({ parentPath, name }) => join(parentPath, name).slice(directory.length + 1)).sort()
}

const FILES = ['config.json', 'model.sig', 'sub/weights.bin']

test('a pulled model is exactly what was signed, and loads', async () => {
  const directory = join(place(), 'models/vad')
  await site.write('vad/extra.tmp', '')
  await expect(pullModels([{ source: site.file('vad'), directory }], { policy })).rejects.toEqual(
    refusal('FILE_UNSIGNED'),
  )
  await site.model('clean', { 'config.json': '{}', 'sub/weights.bin': 'weights' })
  await copyFile(site.file('vad.sig'), site.file('clean.sig'))
  const [pulled] = await pullModels([{ source: site.file('clean'), directory }], { policy })
  expect(pulled).toMatchObject({ directory, files: ['config.json', 'sub/weights.bin'], signatures: ['model.sig'] })
  expect(pulled?.verdict).toMatchObject({ decision: 'accepted', files: { checked: 2, signed: 2 } })
  expect(await namesIn(directory)).toEqual(FILES)
  await (await openVerifiedModel(directory, { policy })).close()
})

test('what hf download left is gone after the model was pulled again', async () => {
  const directory = place()
  const pulls = [{ source: site.file('clean'), directory }]
  await pullModels(pulls, { policy })
  await site.write(`${directory.slice(site.path.length + 1)}/.cache/huggingface/download/x.metadata`, '')
  await writeFile(join(directory, 'config.json'), 'changed')
  await pullModels(pulls, { policy })
  expect(await namesIn(directory)).toEqual(FILES)
  expect(await readFile(join(directory, 'config.json'), 'utf8')).toBe('{}')
})

test('all bundles of a model that needs several signers are there, so that it loads', async () => {
  await site.model('two/m')
  await site.sign('two/m', 'a', 'two/m.sig')
  await site.sign('two/m', 'b', 'two/m.b.sig')
  const directory = join(site.path, 'two/place')
  const [pulled] = await pullModels([{ source: site.file('two/m'), directory }], { policy })
  expect(pulled?.signatures).toEqual(['signer-1.oms.sig', 'signer-2.oms.sig'])
  await (await openVerifiedModel(directory, { policy })).close()
})

describe('if anything fails, nothing has changed:', () => {
  test('a refused model leaves no directory', async () => {
    const directory = place()
    await expect(pullModels([{ source: site.file('stranger'), directory }], { policy })).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED'),
    )
    expect((await readdir(site.path)).filter((name) => name.includes(`place-${number}`))).toEqual([])
  })

  test('one of two refused models keeps both directories as they are', async () => {
    const [first, second] = [place(), place()]
    await pullModels([{ source: site.file('clean'), directory: first }], { policy })
    await writeFile(join(first, 'config.json'), 'mine')
    const pulls = [
      { source: site.file('clean'), directory: first },
      { source: site.file('stranger'), directory: second },
    ]
    await expect(pullModels(pulls, { policy })).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
    expect(await readFile(join(first, 'config.json'), 'utf8')).toBe('mine')
    expect((await readdir(site.path)).filter((name) => name.includes('modelseal-pull'))).toEqual([])
  })

  test('an interrupted pull leaves the directory as it was', async () => {
    const directory = place()
    const controller = new AbortController()
    const source = memorySource('store://vad', new Map([['model.sig', await readFile(site.file('vad.sig'))]]), {
      files: {
        read: () => {
          controller.abort()
          return new Promise<void>(() => {})
        },
        list: () => [{ name: 'config.json' }, { name: 'sub/weights.bin' }],
      },
    })
    await expect(pullModels([{ source, directory }], { policy, signal: controller.signal })).rejects.toEqual(
      refusal('ABORTED'),
    )
    expect((await readdir(site.path)).filter((name) => name.includes(`place-${number}`))).toEqual([])
  })

  test('a rule that verifies nothing pulls nothing', async () => {
    await site.model('skipped')
    const pulls = [{ source: site.file('skipped'), directory: place() }]
    await expect(pullModels(pulls, { policy })).rejects.toEqual(refusal('MODEL_UNVERIFIED'))
  })

  test.each([
    ['the model itself', 'clean', 'clean'],
    ['in the model', 'clean', 'clean/sub'],
    ['above the model', 'two/m', 'two'],
  ])('a directory that is %s is refused', async (_, source, directory) => {
    const pulls = [{ source: site.file(source), directory: site.file(directory) }]
    await expect(pullModels(pulls, { policy, force: true })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    expect(await namesIn(site.file(source))).not.toEqual([])
  })

  test('two models for one directory are refused', async () => {
    const directory = place()
    const source = site.file('clean')
    const pulls = [
      { source, directory },
      { source, directory: join(directory, 'sub') },
    ]
    await expect(pullModels(pulls, { policy })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})

test('attestations are taken along, so that a policy that requires them accepts the model', async () => {
  await site.model('attested', { 'weights.bin': 'attested' })
  await site.sign('attested', 'a')
  const type = 'https://example.org/review/v1'
  const signer = await keySigner({ privateKey: site.file('a.key') })
  await attestModel(site.file('attested'), { signer, type, predicate: { approved: true } })
  await appendFile(site.file('attested.claims.jsonl'), 'junk\n')
  const rules = [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require: { attestations: [{ type }] } }]
  const strict = await site.policy({ version: 1, trustRoots: { a: { publicKey: 'a.pub' } }, rules })
  for (const by of [strict, policy]) {
    const directory = place()
    const [pulled] = await pullModels([{ source: site.file('attested'), directory }], { policy: by })
    expect(pulled?.files).toEqual(['weights.bin'])
    expect(await namesIn(directory)).toEqual(['claims.jsonl', 'model.sig', 'weights.bin'])
    const model = await openVerifiedModel(directory, { policy: strict })
    await model.close()
    expect(model.verdict.attestations).toMatchObject([{ satisfies: [type] }])
  }
})
