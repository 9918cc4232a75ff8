import { appendFile, copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'

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
const { prepare } = (await import(join(EXAMPLES, 'prepare.mjs'))) as {
  prepare: () => Promise<{ models: { vad: string }; policy: string; signed: { vad: { rootDigest: string } } }>
}
const { createService } = (await import(join(EXAMPLES, 'service/service.mjs'))) as {
  createService: (options: object) => Promise<Service>
}

const SILENCE = { samples: Array<number>(512).fill(0) }

async function started() {
  const { models, policy, signed } = await prepare()
  const app = await createService({ model: models.vad, policy, policyInterval: 50, logger: false })
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

test('the example service stops serving a revoked model, and serves it again later', async () => {
  const { policy, rootDigest, get, post } = await started()
  const text = await readFile(policy, 'utf8')
  await writeFile(policy, `${text}revoked:\n  rootDigests: [sha256:${rootDigest}]\n`)
  await expect.poll(async () => (await get('/healthz')).statusCode, { timeout: 10_000 }).toBe(503)
  expect((await get('/healthz')).json()).toMatchObject({ status: 'no model', refusal: { code: 'MODEL_REVOKED' } })
  expect((await post('/v1/speech', SILENCE)).statusCode).toBe(503)
  await setTimeout(20)
  await writeFile(policy, text)
  await expect.poll(async () => (await get('/healthz')).statusCode, { timeout: 10_000 }).toBe(200)
})
