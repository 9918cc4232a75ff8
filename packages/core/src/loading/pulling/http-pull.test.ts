import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { file, redirect, serve, type Answer, type TestServer } from '../../testing/http-server.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { pullModels } from './pull-models.ts'

// Models of a web server, which has no list of files.

const CONTENT = { 'config.json': '{}', 'sub/weights.bin': 'weights'.repeat(100_000) }

let site: TestSite
let policy: string
let number = 0

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'web', match: { url: 'http://127.0.0.1:*/**' }, signers: [{ key: 'a' }] }],
  })
  await site.model('vad', CONTENT)
  await site.sign('vad', 'a', 'vad/model.sig')
  await site.write('vad.onnx', 'onnx')
  await site.sign('vad.onnx', 'a', 'vad.onnx.sig')
})
afterAll(() => site.remove())

async function served(changes: Record<string, Answer> = {}): Promise<TestServer> {
  const answers: Record<string, Answer> = {}
  for (const name of [
    ...Object.keys(CONTENT).map((each) => `vad/${each}`),
    'vad/model.sig',
    'vad.onnx',
    'vad.onnx.sig',
  ])
    answers[`/${name}`] = file(await readFile(site.file(name)))
  return serve({ ...answers, ...changes })
}

const place = () => site.file(`place-${++number}`)

async function contentOf(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name).slice(directory.length + 1))
  const digests = await Promise.all(
    names.sort().map(async (name) => [name, digest(await readFile(join(directory, name)))] as const),
  )
  return Object.fromEntries(digests)
}
const digest = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')

describe('a model over HTTP is pulled:', () => {
  test('a directory', async () => {
    const { origin, asked } = await served()
    const directory = place()
    const [pulled] = await pullModels([{ source: `${origin}/vad/`, directory }], { policy })
    expect(pulled).toMatchObject({ signatures: ['model.sig'], verdict: { decision: 'accepted' } })
    expect(await contentOf(directory)).toEqual({
      'config.json': digest('{}'),
      'model.sig': digest(await readFile(site.file('vad/model.sig'))),
      'sub/weights.bin': digest(CONTENT['sub/weights.bin']),
    })
    expect(asked.filter((path) => path.endsWith('.bin'))).toHaveLength(1)
  })

  test('a single file', async () => {
    const { origin } = await served()
    const directory = place()
    const [pulled] = await pullModels([{ source: `${origin}/vad.onnx?v=1`, directory }], { policy })
    expect(pulled).toMatchObject({ files: ['vad.onnx'], signatures: ['vad.onnx.sig'] })
    expect(Object.keys(await contentOf(directory))).toEqual(['vad.onnx', 'vad.onnx.sig'])
  })

  test('from where the server redirects', async () => {
    const { origin } = await served({
      '/vad/sub/weights.bin': redirect('/elsewhere'),
      '/elsewhere': file(CONTENT['sub/weights.bin']),
    })
    const directory = place()
    await pullModels([{ source: `${origin}/vad/`, directory }], { policy })
    expect((await contentOf(directory))['sub/weights.bin']).toBe(digest(CONTENT['sub/weights.bin']))
  })
})

test.each<[string, string, Answer]>([
  ['another file', 'FILE_MISMATCH', file('w'.repeat(700_000))],
  ['no file', 'FILE_MISSING', (_, response) => void response.writeHead(404).end()],
  ['an error', 'HTTP_RESPONSE', (_, response) => void response.writeHead(403).end()],
  ['a redirect to a file of this machine', 'HTTP_REDIRECT', redirect('file:///etc/passwd')],
])('nothing changes if the server sends %s', async (_, code, answer) => {
  const directory = place()
  const { origin } = await served()
  await pullModels([{ source: `${origin}/vad/`, directory }], { policy })
  const before = await contentOf(directory)
  const hostile = await served({ '/vad/sub/weights.bin': answer })
  for (const into of [directory, place()])
    await expect(pullModels([{ source: `${hostile.origin}/vad/`, directory: into }], { policy })).rejects.toEqual(
      refusal(code as 'FILE_MISMATCH'),
    )
  expect(await contentOf(directory)).toEqual(before)
  expect(
    (await readdir(site.path)).filter((name) => name.startsWith(`place-${number}`) || name.startsWith('.')),
  ).toEqual([])
})
