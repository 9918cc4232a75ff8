import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { runPipeline } from '../support/gitlab-pipeline.ts'
import { EMAIL, startStack, type Stack } from './stack.ts'

// The components for GitLab CI, in pipelines that sign by their identity, for this Sigstore instance.

let stack: Stack
let root: string
let repository: string

beforeAll(async () => {
  stack = await startStack()
})

afterAll(() => stack.stop())

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-gitlab-')))
  repository = join(root, 'repository')
  mkdirSync(join(repository, 'models/vad'), { recursive: true })
  writeFileSync(join(repository, 'models/vad/weights.bin'), 'w'.repeat(1000))
  writeFileSync(join(repository, 'trust_config.json'), readFileSync(stack.trustConfig))
  const signers = [{ sigstore: { root: 'company', identity: EMAIL, issuer: stack.provider.url } }]
  writeFileSync(
    join(repository, 'modelseal.policy.json'),
    JSON.stringify({
      version: 1,
      trustRoots: { company: { sigstore: { file: 'trust_config.json' } } },
      rules: [{ name: 'ours', match: { path: 'models/**' }, signers }],
    }),
  )
  return () => {
    rmSync(root, { recursive: true })
  }
})

const MODEL = { model: 'models/vad', signature: 'models/vad/model.sig', 'trust-config': 'trust_config.json' }

function sign(inputs: Record<string, string> = {}) {
  const variables = { SIGSTORE_ID_TOKEN: stack.provider.token({ email: EMAIL, aud: inputs['audience'] ?? 'sigstore' }) }
  return runPipeline(repository, { component: 'sign', inputs: { ...MODEL, ...inputs }, variables })
}

const verify = (inputs: Record<string, string> = {}) =>
  runPipeline(repository, { component: 'verify', inputs: { model: 'models/vad', ...inputs } })

test('a job signs by the identity of the pipeline, and another verifies the model', async () => {
  expect(await verify()).toMatchObject({ code: 1, output: expect.stringContaining('BUNDLE_NOT_FOUND') as string })
  const signed = await sign()
  expect(signed.code, signed.output).toBe(0)
  expect(signed.output).toContain(`signer       ${EMAIL}`)
  const verified = await verify({ policy: 'modelseal.policy.json' })
  expect(verified.code, verified.output).toBe(0)
  expect(verified.output).toContain('Accepted "models/vad"')
  writeFileSync(join(repository, 'models/vad/weights.bin'), 'x')
  expect(await verify()).toMatchObject({ code: 1, output: expect.stringContaining('FILE_MISMATCH') as string })
})

test('a job without a token does not sign', async () => {
  const { code, output } = await runPipeline(repository, { component: 'sign', inputs: MODEL })
  expect(code).toBe(1)
  expect(output).toContain('TOKEN_MISSING')
  expect(existsSync(join(repository, 'models/vad/model.sig'))).toBe(false)
})

test('a job can sign with a token of another audience, which the instance has to accept', async () => {
  const { code, output } = await sign({ audience: 'company' })
  expect(code).toBe(1)
  expect(output).toContain('SERVICE_REFUSED')
})

test('no input is run as a part of a script', async () => {
  const { code, output } = await verify({ model: 'models/"; touch ran-1; "`touch ran-2`' })
  expect(code).toBe(1)
  expect(output).toMatch(/Error [A-Z_]+:/)
  expect(['ran-1', 'ran-2'].filter((name) => existsSync(join(repository, name)))).toEqual([])
})

test('the component that signs asks for a token of the audience, and keeps what it signed', () => {
  const text = readFileSync(join(import.meta.dirname, '../../templates/sign.yml'), 'utf8')
  const [, jobs] = parseAllDocuments(text).map((document) => document.toJS() as Record<string, object>)
  expect(Object.values(jobs ?? {})).toMatchObject([
    {
      id_tokens: { SIGSTORE_ID_TOKEN: { aud: '$[[ inputs.audience ]]' } },
      artifacts: { paths: ['$[[ inputs.model ]]', '$[[ inputs.signature ]]'] },
    },
  ])
})
