import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { Uploads } from '../../packages/s3/src/publishing/uploads.ts'
import { s3Settings } from '../../packages/s3/src/s3-settings.ts'
import { CREDENTIALS } from '../s3/gateway.mjs'
import { gatewayOfSuite } from '../s3/gateway-of-suite.ts'
import { TestFleet } from './processes.ts'

// A catalogue in versitygw, an object store with the API of S3. The workers and the coordinator are processes with credentials of their own.

const store = gatewayOfSuite()

let fleet: TestFleet
let key: string
beforeEach(async () => {
  fleet = await TestFleet.start()
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  key = join(fleet.directory, 'key')
  writeFileSync(key, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(join(fleet.directory, 'pub'), pair.publicKey.export({ type: 'spki', format: 'pem' }))
  const rule = { name: 'all', match: { source: 's3://models/**' }, signers: [{ key: 'a' }] }
  const policy = { version: 1, trustRoots: { a: { publicKey: 'pub' } }, rules: [rule] }
  writeFileSync(join(fleet.directory, 'policy.json'), JSON.stringify(policy))
  return () => fleet.stop()
})

/** Through its interface: the store knows no version of files that appear in its directory. */
async function put(objects: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  const options = { endpoint: store().endpoint, credentials: CREDENTIALS }
  const uploads = new Uploads('models', await s3Settings(options, {}), { signal: undefined, onProgress: undefined })
  for (const [key, content] of Object.entries(objects)) await uploads.bytes(key, Buffer.from(content as string))
  await uploads.stop()
}

const sign = (catalogue: string, env: NodeJS.ProcessEnv = {}) =>
  fleet.coordinate(['sign', 'key', catalogue, '--private-key', key, '--shard-size', '20000000', '--json'], env).ended
const verify = (catalogue: string) =>
  fleet.coordinate(['verify', catalogue, '--policy', join(fleet.directory, 'policy.json'), '--json']).ended

const linesOf = ({ stdout, stderr, code }: Awaited<ReturnType<typeof sign>>) => {
  expect(stderr).toBe('')
  const lines = stdout.trim().split('\n')
  return { code, lines: lines.map((line) => JSON.parse(line) as { model?: string; result?: object }) }
}

test('a prefix is signed by two workers in the bucket, and verified', async () => {
  for (let index = 0; index < 40; index++) await put({ [`zoo/model ${index}/config.json`]: `{"name":${index}}` })
  await put({ 'zoo/large/weights.bin': Buffer.alloc(50_000_000, 'weights'), 'zoo/README.md': '# Zoo' })
  for (const name of ['one', 'two']) {
    fleet.addWorker(name)
    fleet.startWorker(name, '--allow', 's3://models/zoo')
  }
  const signed = linesOf(await sign('s3://models/zoo/'))
  expect(signed).toMatchObject({ code: 0 })
  expect(signed.lines.at(-1)).toMatchObject({ result: { models: { signed: 41 }, jobs: 41, rejected: 0 } })
  expect(existsSync(join(store().bucket, 'zoo/large/model.sig'))).toBe(true)
  const again = linesOf(await sign('s3://models/zoo/'))
  expect(again.lines.at(-1)).toMatchObject({ result: { models: { unchanged: 41 }, jobs: 0 } })
  expect(linesOf(await verify('s3://models/zoo')).lines.at(-1)).toMatchObject({ result: { models: { accepted: 41 } } })
  await put({ 'zoo/model 7/config.json': '{"name":8}' })
  const refused = linesOf(await verify('s3://models/zoo'))
  expect(refused.code).toBe(1)
  expect(refused.lines.at(-1)).toMatchObject({ result: { models: { accepted: 40, refused: 1 } } })
})

test('each worker uses its own credentials, and none are in Redis', async () => {
  await put({ 'private/vad/weights.bin': 'weights' })
  fleet.addWorker('one')
  const worker = fleet.startWorkerIn({ AWS_SECRET_ACCESS_KEY: 'other' }, 'one', '--allow', 's3://models')
  const refused = linesOf(await sign('s3://models/private/'))
  expect(refused.lines[0]).toMatchObject({
    model: 's3://models/private/vad',
    error: { code: 'HTTP_RESPONSE', message: expect.stringContaining('SignatureDoesNotMatch') as string },
  })
  expect(worker.exitCode).toBeNull()
  await fleet.killWorker('one')
  const running = sign('s3://models/private/')
  await expect.poll(() => fleet.onRedis((redis) => redis.keys('bull:*')), { timeout: 10_000 }).not.toEqual([])
  const content = await fleet.onRedis(async (redis) => {
    const values = await Promise.all((await redis.keys('*')).map((name) => redis.dumpBuffer(name)))
    return Buffer.concat(values).toString('latin1')
  })
  for (const secret of Object.values(CREDENTIALS)) expect(content).not.toContain(secret)
  fleet.startWorker('one', '--allow', 's3://models')
  expect(linesOf(await running)).toMatchObject({ code: 0 })
})

test('a worker reads only the prefixes that it allows, and a coordinator without access lists none', async () => {
  await put({ 'closed/vad/weights.bin': 'weights' })
  fleet.addWorker('one')
  fleet.startWorker('one', '--allow', 's3://models/open')
  expect(linesOf(await sign('s3://models/closed/')).lines[0]).toMatchObject({ error: { code: 'FLEET_JOB' } })
  const { stdout, code } = await sign('s3://models/closed/', { AWS_SECRET_ACCESS_KEY: 'other' })
  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'HTTP_RESPONSE' } })
  expect(existsSync(join(store().bucket, 'closed/vad/model.sig'))).toBe(false)
})

test('a line of a file may be a URL, whose bundle is written beside it', async () => {
  await put({ 'lines/one.onnx': 'a single file', 'lines/vad/weights.bin': 'weights' })
  const catalogue = join(fleet.directory, 'catalogue')
  writeFileSync(catalogue, 's3://models/lines/one.onnx\ns3://models/lines/vad\n')
  fleet.addWorker('one')
  fleet.startWorker('one', '--allow', 's3://models/lines')
  expect(linesOf(await sign(catalogue)).lines.at(-1)).toMatchObject({ result: { models: { signed: 2 } } })
  expect(readFileSync(join(store().bucket, 'lines/one.onnx.sig'), 'utf8')).toContain('dsseEnvelope')
  expect(linesOf(await verify(catalogue)).lines.at(-1)).toMatchObject({ result: { models: { accepted: 2 } } })
})
