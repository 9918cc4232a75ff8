import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { authority, issue, pemOf, privateKeyPem, SERVER_AUTH } from '../../packages/core/src/testing/authority.ts'
import { TestFleet } from './processes.ts'

// A Redis that only speaks TLS, with a certificate of an authority of this test.

let directory: string
let ca: string
let files: { ca: string; cert: string; key: string }
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'modelseal-tls-'))
  const issuer = await authority('Queues')
  const leaf = await issue({
    subject: 'Redis',
    issuer,
    usages: ['digitalSignature'],
    extendedUsages: [SERVER_AUTH],
    names: [[7, new Uint8Array([127, 0, 0, 1])]],
  })
  ca = join(directory, 'ca.pem')
  files = { ca, cert: join(directory, 'redis.pem'), key: join(directory, 'redis.key') }
  writeFileSync(ca, pemOf(issuer))
  writeFileSync(files.cert, pemOf(leaf))
  writeFileSync(files.key, await privateKeyPem(leaf))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

let fleet: TestFleet
beforeEach(async () => {
  fleet = await TestFleet.start('hunter2', files)
  fleet.writeKey()
  mkdirSync(join(fleet.models, 'a'))
  writeFileSync(join(fleet.models, 'a', 'weights.bin'), 'weights')
  fleet.addWorker('one')
  return () => fleet.stop()
})

const sign = (env: NodeJS.ProcessEnv, queue?: string) => {
  const args = ['sign', 'key', fleet.models, '--private-key', join(fleet.directory, 'key'), '--json']
  return fleet.coordinate(args, env, queue).ended
}
const outcome = (stdout: string) => JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as object

test('a fleet works over TLS, if its authority is trusted', async () => {
  const env = { NODE_EXTRA_CA_CERTS: ca }
  fleet.startWorkerIn(env, 'one')
  const { code, stdout } = await sign(env)
  expect(code).toBe(0)
  expect(outcome(stdout)).toMatchObject({ result: { models: { signed: 1 }, jobs: 1 } })
})

test('an authority that is not trusted is refused at once, with what to do', async () => {
  const begun = performance.now()
  const { code, stdout } = await sign({ NODE_EXTRA_CA_CERTS: undefined })
  expect(code).toBe(1)
  const hint = expect.stringContaining('NODE_EXTRA_CA_CERTS') as string
  expect(outcome(stdout)).toMatchObject({ ok: false, error: { code: 'FLEET_QUEUE', hint } })
  expect(stdout).not.toContain('hunter2')
  expect(performance.now() - begun).toBeLessThan(9_000)
  const worker = fleet.startWorkerIn({ NODE_EXTRA_CA_CERTS: undefined }, 'one')
  expect(await once(worker, 'exit')).toEqual([1, null])
})

test('a certificate for another host is refused', async () => {
  const { stdout } = await sign({ NODE_EXTRA_CA_CERTS: ca }, fleet.url.replace('127.0.0.1', 'localhost'))
  expect(outcome(stdout)).toMatchObject({ error: { code: 'FLEET_QUEUE' } })
})

test.each(['rediss', 'REDISS'])('nothing is sent without TLS to %s:', async (scheme) => {
  const received: Buffer[] = []
  const plain = createServer((socket) =>
    socket.on('error', () => undefined).on('data', (bytes) => received.push(bytes)),
  )
  plain.listen(0, '127.0.0.1')
  await once(plain, 'listening')
  onTestFinished(() => void plain.close())
  const { port } = plain.address() as AddressInfo
  const running = sign({}, `${scheme}://:hunter2@127.0.0.1:${port}`)
  const { stdout } = await running
  expect(outcome(stdout)).toMatchObject({ error: { code: 'FLEET_QUEUE' } })
  const sent = Buffer.concat(received)
  // RFC 8446 5.1: a handshake.
  expect(sent[0]).toBe(22)
  expect(sent.toString('latin1')).not.toContain('hunter2')
})
