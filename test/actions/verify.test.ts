import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TestRegistry } from '../../packages/hub/src/testing/oci-registry.ts'
import { runAction } from '../support/actions-runner.ts'

// Inputs that would be Markdown, commands of the runner, or lines of their own.
const HOSTILE =
  '::error::x\n::set-output name=decision::accepted\n##[add-mask]x ![i](http://x) <img src=x> | `y` @team [z](http://z)'

let root: string
let workspace: string

beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-action-')))
  workspace = join(root, 'repository')
  mkdirSync(join(workspace, 'models/vad'), { recursive: true })
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(join(root, 'release.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(join(workspace, 'release.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(join(workspace, 'models/vad/weights.bin'), 'w'.repeat(1000))
  writeFileSync(join(workspace, 'models/vad/config.json'), '{}')
  policy()
  await signModel(join(workspace, 'models/vad'), { signer: await keySigner({ privateKey: join(root, 'release.key') }) })
})

afterEach(() => {
  rmSync(root, { recursive: true })
})

function policy({ name = 'ours', rest = {} }: { name?: string; rest?: object } = {}): void {
  const rule = { name, match: { path: 'models/**' }, signers: [{ key: 'release' }], ...rest }
  const content = { version: 1, trustRoots: { release: { publicKey: './release.pub' } }, rules: [rule] }
  writeFileSync(join(workspace, 'modelseal.policy.json'), JSON.stringify(content))
}

const verify = (inputs: Record<string, string> = {}) =>
  runAction('verify', { model: 'models/vad', ...inputs }, workspace)

test('lets the job go on with a model that the policy accepts', async () => {
  const { code, outputs, summary, commands, log } = await verify()
  expect({ code, commands }).toEqual({ code: 0, commands: [] })
  expect(outputs).toMatchObject({ decision: 'accepted', code: '', rule: 'ours' })
  expect(outputs['root-digest']).toMatch(/^sha256:[0-9a-f]{64}$/)
  expect(JSON.parse(outputs['signers'] ?? '')).toMatchObject([{ method: 'key', name: 'release' }])
  const verdict = JSON.parse(readFileSync(outputs['verdict-file'] ?? '', 'utf8')) as object
  expect(verdict).toMatchObject({ decision: 'accepted', rule: 'ours' })
  expect(log).toContain('Accepted: ')
  expect(summary).toContain('### Model accepted')
  expect(summary).toContain('| files checked | 2 of 2 |')
})

test('verifies a model in a registry', async () => {
  const registry = await TestRegistry.start()
  const names = ['config.json', 'model.sig', 'weights.bin']
  registry.pushFiles(new Map(names.map((name) => [name, readFileSync(join(workspace, 'models/vad', name))])))
  policy({ rest: { match: { url: 'oci://127.0.0.1:*/models/*' } } })
  const accepted = await verify({ model: registry.url() })
  expect(accepted).toMatchObject({ code: 0, outputs: { decision: 'accepted' } })
  expect(accepted.summary).toMatch(/\| revision \| sha256:[0-9a-f]{64} \|/)
  policy()
  expect(await verify({ model: registry.url() })).toMatchObject({ code: 1, outputs: { decision: 'refused' } })
})

test('fails at the file that is not what was signed', async () => {
  writeFileSync(join(workspace, 'models/vad/weights.bin'), 'x'.repeat(1000))
  const { code, outputs, summary, commands } = await verify({ policy: 'modelseal.policy.json' })
  expect(code).toBe(1)
  expect(outputs).toMatchObject({ decision: 'refused', code: 'FILE_MISMATCH', 'root-digest': '', signers: '[]' })
  expect(commands).toMatchObject([
    { name: 'error', properties: { title: 'modelseal: FILE_MISMATCH', file: 'models/vad/weights.bin' } },
  ])
  expect(summary).toMatch(/### Model refused\n\n\*\*FILE\\_MISMATCH\*\*: /)
})

test('annotates each of several files', async () => {
  writeFileSync(join(workspace, 'models/vad/a.bin'), '')
  writeFileSync(join(workspace, 'models/vad/b.bin'), '')
  const { code, commands, summary } = await verify()
  expect(code).toBe(1)
  expect(commands.map(({ properties }) => properties['file'])).toEqual([
    'models/vad/a.bin',
    'models/vad/a.bin',
    'models/vad/b.bin',
  ])
  expect(summary).toContain('| b.bin | FILE\\_UNSIGNED |')
})

test('names a few of many files, and says how many there are', async () => {
  for (let index = 0; index < 70; index++) writeFileSync(join(workspace, `models/vad/extra-${index}.bin`), '')
  const { commands, summary, outputs } = await verify()
  expect(commands).toHaveLength(10)
  expect(summary.match(/^\| extra-\d+\.bin \|/gm)).toHaveLength(50)
  expect(summary).toContain('And 20 more.')
  const verdict = JSON.parse(readFileSync(outputs['verdict-file'] ?? '', 'utf8')) as { error: { problems: object[] } }
  expect(verdict.error.problems).toHaveLength(70)
})

test.each(['audit', 'skip'])('fails if a rule in the mode %s allows the model without a signature', async (mode) => {
  // Nobody signs for a rule that skips.
  policy({ rest: mode === 'skip' ? { mode, signers: undefined, reason: 'an experiment' } : { mode } })
  rmSync(join(workspace, 'models/vad/model.sig'))
  const { code, outputs, commands } = await verify()
  expect(code).toBe(1)
  expect(outputs).toMatchObject({
    decision: mode === 'audit' ? 'tolerated' : 'skipped',
    'root-digest': '',
    signers: '[]',
  })
  const title = mode === 'audit' ? 'modelseal: BUNDLE_NOT_FOUND' : 'modelseal: MODEL_UNVERIFIED'
  expect(commands).toMatchObject([{ name: 'error', properties: { title } }])
})

test('fails without a model, a policy, or with one that is not valid', async () => {
  expect(await verify({ model: '' })).toMatchObject({
    code: 1,
    outputs: {},
    commands: [{ name: 'error', properties: { title: 'modelseal: INVALID_ARGUMENT' } }],
  })
  writeFileSync(join(workspace, 'modelseal.policy.json'), '{\n  "version": 7\n}')
  expect(await verify()).toMatchObject({
    code: 1,
    outputs: { decision: 'refused', code: 'POLICY_INVALID' },
    commands: [{ name: 'error', properties: { file: 'modelseal.policy.json', line: '2' } }],
  })
  rmSync(join(workspace, 'modelseal.policy.json'))
  expect(await verify()).toMatchObject({ code: 1, outputs: { decision: 'refused', code: 'POLICY_NOT_FOUND' } })
})

test('takes no name of a rule, a model or a file for a command or for Markdown', async () => {
  policy({ name: HOSTILE })
  writeFileSync(join(workspace, `models/vad/${HOSTILE.replaceAll('/', ' ')}`), '')
  const steps = [await verify(), await verify({ model: `models/${HOSTILE}` })]
  for (const { code, outputs, commands, summary, log } of steps) {
    expect(code).toBe(1)
    expect(outputs['decision']).toBe('refused')
    expect(commands.map(({ name }) => name)).toEqual(['error'])
    expect(commands[0]?.message).not.toMatch(/[\r\n]/)
    expect(summary).not.toMatch(/<img|!\[|\]\(|:\/\/|@team|`y`|\n::|##\[/)
    expect(log).not.toMatch(/^\s*::|##\[/m)
  }
  expect(steps[0]?.outputs['rule']).toBe(HOSTILE)
})

test('names no file outside of the repository in annotations', async () => {
  mkdirSync(join(root, 'elsewhere'))
  const { commands, outputs } = await verify({ model: join(root, 'elsewhere'), policy: 'modelseal.policy.json' })
  expect(outputs['decision']).toBe('refused')
  expect(commands).toHaveLength(1)
  expect(commands[0]?.properties).not.toHaveProperty('file')
})
