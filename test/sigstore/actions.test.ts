import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { runAction } from '../support/actions-runner.ts'
import { EMAIL, startStack, type Stack } from './stack.ts'

// The actions, as a runner runs them: it issues identity tokens on loopback, for this Sigstore instance.

const BEARER = 'token-of-the-job'
let stack: Stack
let root: string
let workspace: string
const requests: IncomingMessage[] = []
const runner = createServer((request, response) => {
  requests.push(request)
  const audience = new URL(request.url ?? '', 'http://runner').searchParams.get('audience') ?? ''
  const allowed = request.headers.authorization === `Bearer ${BEARER}`
  response.writeHead(allowed ? 200 : 401, { 'content-type': 'application/json' })
  response.end(JSON.stringify(allowed ? { value: stack.provider.token({ email: EMAIL, aud: audience }) } : {}))
}).listen(0, '127.0.0.1')

beforeAll(async () => {
  if (!runner.listening) await once(runner, 'listening')
  stack = await startStack()
})

afterAll(async () => {
  runner.close()
  await stack.stop()
})

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-actions-')))
  workspace = join(root, 'repository')
  mkdirSync(join(workspace, 'models/vad'), { recursive: true })
  writeFileSync(join(workspace, 'models/vad/weights.bin'), 'w'.repeat(1000))
  policy({ file: 'trusted_root.json' })
  requests.length = 0
  return () => rmSync(root, { recursive: true })
})

function policy(sigstore: object): void {
  writeFileSync(
    join(workspace, 'modelseal.policy.json'),
    JSON.stringify({
      version: 1,
      trustRoots: { company: { sigstore } },
      rules: [
        {
          name: 'ours',
          match: { path: 'models/**' },
          signers: [{ sigstore: { root: 'company', identity: EMAIL, issuer: stack.provider.url } }],
        },
      ],
    }),
  )
  writeFileSync(join(workspace, 'trusted_root.json'), readFileSync(stack.trustedRoot))
}

/** What a job with `id-token: write` gets. */
const issuing = () => ({
  ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${(runner.address() as AddressInfo).port}/token?api-version=2.0`,
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: BEARER,
})

const sign = (inputs: Record<string, string>, env: NodeJS.ProcessEnv = issuing()) =>
  runAction('sign', { model: 'models/vad', ...inputs }, workspace, env)

test('signs by the identity of the job, and the policy accepts the model', async () => {
  const { code, outputs, commands, summary, log } = await sign({ 'trust-config': stack.trustConfig })
  expect({ code, commands }).toEqual({ code: 0, commands: [] })
  expect(outputs).toMatchObject({
    signature: join(workspace, 'models/vad/model.sig'),
    files: '1',
    identity: EMAIL,
    issuer: stack.provider.url,
  })
  expect(requests.map(({ url }) => url)).toEqual(['/token?api-version=2.0&audience=sigstore'])
  expect(summary).toContain('### Model signed')
  expect(summary).toContain('| log entry | ')
  expect(log + summary).not.toContain(BEARER)

  const verified = await runAction('verify', { model: 'models/vad' }, workspace)
  expect(verified).toMatchObject({ code: 0, outputs: { decision: 'accepted', rule: 'ours' }, commands: [] })
  expect(verified.outputs['root-digest']).toBe(outputs['root-digest'])
  expect(JSON.parse(verified.outputs['signers'] ?? '')).toMatchObject([{ method: 'sigstore', identity: EMAIL }])
})

test('fetches the root of an instance by TUF first, to sign and to verify', async () => {
  writeFileSync(join(workspace, 'root.json'), readFileSync(stack.tufRoot))
  policy({ tufUrl: stack.tufUrl, tufRoot: 'root.json' })
  const tuf = { 'tuf-url': stack.tufUrl, 'tuf-root': 'root.json' }
  expect(await sign(tuf)).toMatchObject({ code: 0, outputs: { identity: EMAIL } })
  const verify = (inputs: object) => runAction('verify', { model: 'models/vad', ...inputs }, workspace)
  expect(await verify({})).toMatchObject({ code: 1, outputs: { code: 'TRUST_ROOT_MISSING' } })
  expect(await verify(tuf)).toMatchObject({ code: 0, outputs: { decision: 'accepted' } })
})

test('fails, before it hashes anything, in a job that gets no token', async () => {
  const { code, outputs, commands } = await sign({ 'trust-config': stack.trustConfig }, {})
  expect({ code, outputs }).toEqual({ code: 1, outputs: {} })
  expect(commands).toMatchObject([{ name: 'error', properties: { title: 'modelseal: TOKEN_MISSING' } }])
  expect(commands[0]?.message).toContain('id-token: write')
})

test('fails if the runner refuses, without showing its secret', async () => {
  const env = { ...issuing(), ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'wrong-bearer' }
  const { code, commands, log, summary } = await sign({ 'trust-config': stack.trustConfig }, env)
  expect(code).toBe(1)
  expect(commands).toMatchObject([{ properties: { title: 'modelseal: SERVICE_REFUSED' } }])
  expect(log + summary + JSON.stringify(commands)).not.toContain('wrong-bearer')
})

test('asks for a token of the audience that the instance expects', async () => {
  const { code } = await sign({ 'trust-config': stack.trustConfig, audience: 'other' })
  expect(code).toBe(1)
  expect(requests.map(({ url }) => url)).toEqual(['/token?api-version=2.0&audience=other'])
})

test('refuses inputs that name two instances, or half of one', async () => {
  const all = [{ 'trust-config': stack.trustConfig, 'tuf-url': stack.tufUrl }, { 'tuf-root': stack.tufRoot }]
  for (const inputs of all)
    expect(await sign(inputs)).toMatchObject({
      code: 1,
      commands: [{ properties: { title: 'modelseal: INVALID_ARGUMENT' } }],
    })
})

test('does not replace the signature of another model', async () => {
  expect(await sign({ 'trust-config': stack.trustConfig, signature: 'model.sig' })).toMatchObject({ code: 0 })
  mkdirSync(join(workspace, 'models/other'))
  writeFileSync(join(workspace, 'models/other/other.bin'), 'o')
  const inputs = { model: 'models/other', 'trust-config': stack.trustConfig, signature: 'model.sig' }
  expect(await sign(inputs)).toMatchObject({
    code: 1,
    commands: [{ properties: { title: 'modelseal: SIGNATURE_EXISTS' } }],
  })
})

test('takes no name of a model for a command or for Markdown', async () => {
  const model = 'models/x\n::add-mask::y\n##[error]z <img src=x> | `q` @team'
  mkdirSync(join(workspace, model), { recursive: true })
  writeFileSync(join(workspace, model, 'weights.bin'), 'w')
  const { code, commands, summary, log, outputs } = await sign({ model, 'trust-config': stack.trustConfig })
  expect({ code, commands }).toEqual({ code: 0, commands: [] })
  expect(outputs['signature']).toBe(join(workspace, model, 'model.sig'))
  expect(log).not.toMatch(/^\s*::|##\[/m)
  expect(summary).not.toMatch(/<img|`q`|@team|\n::|##\[/)
})
