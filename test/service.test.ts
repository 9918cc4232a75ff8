import { appendFile, copyFile, readFile, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { addToFeed, createFeedSource, removeFromFeed, signFeed } from '@modelseal/core/advisory'
import type { Signer } from '@modelseal/core/signing'
import { expect, onTestFinished, test, vi } from 'vitest'

interface Service {
  inject(request: { url: string; method?: string; payload?: object }): Promise<Answer>
  close(): Promise<void>
}

interface Answer {
  statusCode: number
  body: string
  json(): unknown
}

// JavaScript, like the programs of its readers.
const EXAMPLES = join(import.meta.dirname, '../examples')
const { newSigner, prepare } = (await import(join(EXAMPLES, 'prepare.mjs'))) as {
  newSigner: (directory: string, name: string) => Promise<Signer>
  prepare: () => Promise<{ models: { vad: string }; policy: string; signed: { vad: { rootDigest: string } } }>
}
const { createService } = (await import(join(EXAMPLES, 'service/service.mjs'))) as {
  createService: (options: object) => Promise<Service>
}

const SILENCE = { samples: Array<number>(512).fill(0) }

type Prepared = Awaited<ReturnType<typeof prepare>>

async function started(prepared?: Prepared) {
  const { models, policy, signed } = prepared ?? (await prepare())
  const app = await createService({ model: models.vad, policy, logger: false })
  onTestFinished(() => app.close())
  const get = (url: string) => app.inject({ url })
  const post = (url: string, payload?: object) => app.inject({ url, method: 'POST', ...(payload ? { payload } : {}) })
  return { model: models.vad, policy, rootDigest: signed.vad.rootDigest, get, post }
}

test('the example service serves a verified model and names its signer', async () => {
  const { rootDigest, get, post } = await started()
  expect((await get('/healthz')).json()).toMatchObject({
    status: 'ready',
    decision: 'accepted',
    signers: ['release-team'],
    rootDigest,
  })
  const heard = await post('/v1/speech', SILENCE)
  expect(heard.json()).toEqual({ probability: expect.closeTo(0.02, 1) as number })
  expect((await post('/v1/speech', { samples: [1] })).statusCode).toBe(400)
  expect((await get('/metrics')).body).toMatch(/^modelseal_verdicts_total\{decision="accepted",code=""\} \d+$/m)
})

test('the example service refuses a changed model and keeps the previous one', async () => {
  const { model, get, post } = await started()
  await copyFile(model, `${model}.good`.replace('models/vad/', ''))
  await appendFile(model, 'x')
  const refused = await post('/reload')
  expect(refused.statusCode).toBe(409)
  expect(refused.json()).toMatchObject({ refusal: { code: 'FILE_MISMATCH' } })
  expect((await get('/healthz')).json()).toMatchObject({ status: 'ready', refusal: { code: 'FILE_MISMATCH' } })
  expect((await post('/v1/speech', SILENCE)).statusCode).toBe(200)
  expect((await get('/metrics')).body).toMatch(/decision="refused",code="FILE_MISMATCH"\} [1-9]/)

  await copyFile(`${model}.good`.replace('models/vad/', ''), model)
  expect((await post('/reload')).statusCode).toBe(200)
})

const soon = { timeout: 10_000, interval: 50 }

test('the example service stops serving a model that its policy revokes, until it is reloaded', async () => {
  const { policy, rootDigest, get, post } = await started()
  const text = await readFile(policy, 'utf8')
  await replace(policy, `${text}revoked:\n  rootDigests: [sha256:${rootDigest}]\n`)
  await expect.poll(async () => (await get('/healthz')).statusCode, soon).toBe(503)
  const revoked = {
    code: 'MODEL_REVOKED',
    because: 'MODEL_REVOKED',
    message: expect.stringContaining('revoked') as string,
  }
  expect((await get('/healthz')).json()).toEqual({ status: 'no model', refusal: revoked })
  const heard = await post('/v1/speech', SILENCE)
  expect(heard.statusCode).toBe(503)
  expect(heard.json()).toEqual(revoked)
  expect((await get('/metrics')).body).toMatch(/^modelseal_revocations_total\{because="MODEL_REVOKED"\} 1$/m)
  expect((await post('/reload')).statusCode).toBe(409)

  await replace(policy, text)
  expect((await post('/reload')).statusCode).toBe(200)
  expect((await get('/healthz')).statusCode).toBe(200)
  expect((await post('/v1/speech', SILENCE)).statusCode).toBe(200)
})

test(
  'the example service stops serving a model whose key a feed denies, until it is reloaded',
  { timeout: 30_000 },
  async () => {
    const prepared = await prepare()
    const directory = dirname(prepared.policy)
    vi.stubEnv('MODELSEAL_CACHE', directory)
    onTestFinished(() => void vi.unstubAllEnvs())
    const feed = await published(directory)
    const text = (await readFile(prepared.policy, 'utf8')).replace(
      'rules:',
      '  security: { publicKey: ./security.pub }\nrules:',
    )
    await writeFile(
      prepared.policy,
      `${text}advisories:\n  - { url: "${feed.url}", signers: [{ key: security }], refresh: 1s }\n`,
    )
    const { get, post } = await started(prepared)
    expect((await post('/v1/speech', SILENCE)).statusCode).toBe(200)

    const denied = { keys: [{ file: join(directory, 'release.pub'), reason: 'laptop stolen' }] }
    await feed.add(denied)
    await expect.poll(async () => (await post('/v1/speech', SILENCE)).statusCode, soon).toBe(503)
    expect((await get('/healthz')).json()).toMatchObject({
      status: 'no model',
      refusal: {
        code: 'MODEL_REVOKED',
        because: 'KEY_REVOKED',
        message: expect.stringContaining('laptop stolen') as string,
      },
    })
    expect((await get('/metrics')).body).toMatch(/^modelseal_revocations_total\{because="KEY_REVOKED"\} 1$/m)

    await feed.remove(denied)
    await expect.poll(async () => (await post('/reload')).statusCode, soon).toBe(200)
    expect((await post('/v1/speech', SILENCE)).statusCode).toBe(200)
  },
)

/** Replaces a file that somebody may be reading. */
async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text)
  await rename(`${path}.new`, path)
}

/** A feed on a local server, which denies nothing yet. */
async function published(directory: string) {
  const signer = await newSigner(directory, 'security')
  const source = join(directory, 'advisories.yaml')
  const output = join(directory, 'advisories.jsonl')
  await createFeedSource(source, { feed: 'acme' })
  await signFeed(source, { signer, output })
  const server = createServer((_, response) => void readFile(output).then((feed) => response.end(feed)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  type Change = (source: string, denied: Parameters<typeof addToFeed>[1]) => Promise<unknown>
  const publishing = (change: Change) => async (denied: Parameters<Change>[1]) => {
    await change(source, denied)
    await signFeed(source, { signer, output })
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/advisories.jsonl`,
    add: publishing(addToFeed),
    remove: publishing(removeFromFeed),
  }
}
