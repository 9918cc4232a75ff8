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
  await site.model('clean', { 'config.json': '{}', 'sub/weights.bin': 'weights' })
  await copyFile(site.file('vad.sig'), site.file('clean.sig'))
  await site.model('above/m')
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
    ['above the model', 'above/m', 'above'],
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
    expect(pulled).toMatchObject({ files: ['weights.bin'], attestations: 1 })
    expect(await namesIn(directory)).toEqual(['claims.jsonl', 'model.sig', 'weights.bin'])
    const model = await openVerifiedModel(directory, { policy: strict })
    await model.close()
    expect(model.verdict.attestations).toMatchObject([{ satisfies: [type] }])
  }
})

describe('attestations that were added to a pulled model', () => {
  const TYPE = 'https://example.org/review/v1'
  const attest = async (model: string, verdict: string, output?: string) => {
    const signer = await keySigner({ privateKey: site.file('a.key') })
    await attestModel(model, {
      signer,
      type: TYPE,
      predicate: { verdict },
      ...(output === undefined ? {} : { output }),
    })
  }
  const verdictsIn = async (path: string) => {
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
    return lines.map((line) => {
      const { dsseEnvelope } = JSON.parse(line) as { dsseEnvelope: { payload: string } }
      const statement = JSON.parse(Buffer.from(dsseEnvelope.payload, 'base64').toString()) as {
        predicate: { verdict: string }
      }
      return statement.predicate.verdict
    })
  }
  const model = async (name: string, content: string) => {
    await site.model(name, { 'weights.bin': content })
    await site.sign(name, 'a')
    return site.file(name)
  }

  test('are kept if the same model is pulled again, once each and before new ones', async () => {
    const source = await model('kept', 'kept')
    const directory = place()
    const claims = join(directory, 'claims.jsonl')
    await attest(source, 'published')
    await pullModels([{ source, directory }], { policy })
    await attest(directory, 'by hand', claims)
    await appendFile(claims, 'junk\n')
    await attest(source, 'published later')
    for (let times = 0; times < 2; times++) {
      await pullModels([{ source, directory }], { policy })
      expect(await verdictsIn(claims)).toEqual(['published', 'by hand', 'published later'])
      expect(await namesIn(directory)).toEqual(['claims.jsonl', 'model.sig', 'weights.bin'])
    }
  })

  test('are kept beside a single file', async () => {
    await site.write('single.bin', 'single')
    await site.sign('single.bin', 'a')
    const source = site.file('single.bin')
    const directory = place()
    await pullModels([{ source, directory }], { policy })
    await attest(join(directory, 'single.bin'), 'by hand')
    await pullModels([{ source, directory }], { policy })
    expect(await verdictsIn(join(directory, 'single.bin.claims.jsonl'))).toEqual(['by hand'])
  })

  test('are gone if another model takes its place', async () => {
    const directory = place()
    const claims = join(directory, 'claims.jsonl')
    await pullModels([{ source: await model('first', 'first'), directory }], { policy })
    await attest(directory, 'of the first', claims)
    const source = await model('second', 'second')
    await attest(source, 'of the second')
    await pullModels([{ source, directory }], { policy })
    expect(await verdictsIn(claims)).toEqual(['of the second'])
    await pullModels([{ source: await model('third', 'third'), directory }], { policy })
    expect(await namesIn(directory)).toEqual(['model.sig', 'weights.bin'])
  })

  test('are not joined with more than a load reads: the pull is refused, and they stay', async () => {
    const source = await model('full', 'full')
    const directory = place()
    const claims = join(directory, 'claims.jsonl')
    await pullModels([{ source, directory }], { policy })
    await attest(directory, 'by hand', claims)
    const line = (await readFile(claims, 'utf8')).trim()
    // The same statement in other JSON.
    const lines = Array.from({ length: 1_000 }, (_, index) => line.replace('{', `{${' '.repeat(index)}`))
    await writeFile(claims, lines.join('\n'))
    await attest(source, 'published')
    await expect(pullModels([{ source, directory }], { policy })).rejects.toEqual(
      refusal('ATTESTATIONS_TOO_MANY', { file: claims, found: '1001' }),
    )
    expect(await readFile(claims, 'utf8')).toBe(lines.join('\n'))
  })
})
