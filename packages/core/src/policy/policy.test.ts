import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { keyPair } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { ModelFacts } from './matching/match.ts'
import { chooseRule } from './matching/choose-rule.ts'
import { loadValidPolicy } from './load-policy.ts'

const PEM = keyPair().publicKey.key.export({ type: 'spki', format: 'pem' }).toString()

const POLICY = `version: 1
trustRoots:
  release:
    publicKey: ./release.pub
rules:
  - name: voice models
    match:
      path: models/vad/**
    signers:
      - key: release
`

function policyWith(text: string): string {
  return join(scratch({ 'policy.yaml': text, 'release.pub': PEM }), 'policy.yaml')
}

test('reads a policy in YAML, and the same in JSON, with keys beside the file', async () => {
  const json = {
    version: 1,
    trustRoots: { release: { publicKey: './release.pub' } },
    rules: [{ name: 'voice models', match: { path: 'models/vad/**' }, signers: [{ key: 'release' }] }],
  }
  for (const text of [POLICY, JSON.stringify(json)]) {
    const path = policyWith(text)
    const policy = await loadValidPolicy(path)
    expect(policy.path).toBe(path)
    const facts = new ModelFacts({ path: join(path, '../models/vad/silero.onnx') }, () => Promise.resolve([]))
    expect((await chooseRule(policy, facts)).rule.name).toBe('voice models')
  }
})

test('refuses a model that no rule matches', async () => {
  const path = policyWith(POLICY)
  const policy = await loadValidPolicy(path)
  for (const model of ['models/other', 'models', '../models/vad/a', 'x/models/vad/a']) {
    const facts = new ModelFacts({ path: join(path, '..', model) }, () => Promise.resolve([]))
    await expect(chooseRule(policy, facts)).rejects.toEqual(refusal('POLICY_NO_MATCH'))
  }
})

test.each([
  [
    { source: 'hf://org/vad', url: 'hf://org/vad' },
    /its source and url, which are "hf:\/\/org\/vad" \(always without revision/,
  ],
  [
    { source: 'oci://R.example/vad', url: 'https://x.example/vad' },
    /its source, which is "oci:\/\/R.example\/vad".* url is "https:\/\/x/,
  ],
  [{ source: 's3://b/vad/1.0', url: 's3://b/vad/1.0' }, /its source and url, which are "s3:\/\/b\/vad\/1.0", its name/],
  [{ url: 'https://Hub.example:443/vad?v=1' }, /its url, which is "https:\/\/hub.example\/vad"/],
  [{ path: '/models/vad', url: 'https://hub.example/vad' }, /the path is ".*models\/vad"\. Its url is "https:/],
])('says what rules compare with: %j', async (model, hint) => {
  const policy = await loadValidPolicy(policyWith(POLICY))
  await expect(chooseRule(policy, new ModelFacts(model, () => Promise.resolve([])))).rejects.toEqual(
    refusal('POLICY_NO_MATCH', { hint: expect.stringMatching(hint) as string }),
  )
})

test.each([
  [
    undefined,
    'The rule "voice models" is only for the format onnx or dataset, and no format was stated. Use the option "format"',
  ],
  ['gguf', 'The rule "voice models" is only for the format onnx or dataset, and the program loads gguf.'],
])('names a rule that is only for another format than %s', async (format, hint) => {
  const path = policyWith(POLICY.replace(/( *)path: .*/, '$&\n$1format: [onnx, dataset]'))
  const policy = await loadValidPolicy(path)
  const at = (model: string) =>
    chooseRule(policy, new ModelFacts({ path: join(path, '..', model), format }, () => Promise.resolve([])))
  await expect(at('models/vad/a')).rejects.toEqual(
    refusal('POLICY_NO_MATCH', { hint: expect.stringContaining(hint) as string }),
  )
  await expect(at('other/vad')).rejects.toEqual(
    refusal('POLICY_NO_MATCH', { hint: expect.not.stringContaining('only for the format') as string }),
  )
})

test('suggests a glob for the content of a directory if a rule names only the directory', async () => {
  const path = policyWith(POLICY.replace(/path: .*/, 'path: models/vad'))
  const policy = await loadValidPolicy(path)
  const facts = new ModelFacts({ path: join(path, '../models/vad/silero.onnx') }, () => Promise.resolve([]))
  await expect(chooseRule(policy, facts)).rejects.toMatchObject({
    code: 'POLICY_NO_MATCH',
    hint: expect.stringContaining('"models/vad/**"') as string,
  })
})

describe('a policy is refused that', () => {
  test.each([
    ['has an unknown field', POLICY.replace('version: 1', 'version: 1\nallowAll: true'), 'line 2'],
    ['has an unknown field in a rule', POLICY.replace('    signers:', '    signer: release\n    signers:'), 'line 9'],
    ['has an unknown field in a match', POLICY.replace('      path:', '      paths: "**"\n      path:'), 'line 8'],
  ])('%s, with the line', async (_, text, line) => {
    const loading = loadValidPolicy(policyWith(text))
    await expect(loading).rejects.toEqual(
      refusal('POLICY_INVALID', { message: expect.stringContaining(line) as string }),
    )
  })

  test.each([
    ['is empty', ''],
    ['is not a map', '- version: 1'],
    ['is of another version', POLICY.replace('version: 1', 'version: 2')],
    ['has no version', POLICY.replace('version: 1\n', '')],
    ['names a key that it does not define', POLICY.replace('key: release', 'key: nobody')],
    ['names a key by a word of JavaScript', POLICY.replace('key: release', 'key: constructor')],
    ['has a field twice', `${POLICY}version: 1\n`],
    ['is not UTF-8', POLICY.replace('voice', '\ud800')],
    ['is not YAML', 'version: [1'],
  ])('%s', async (_, text) => {
    const bytes = text.includes('\ud800') ? Buffer.from(text.replace('\ud800', 'é'), 'latin1') : Buffer.from(text)
    const directory = scratch({ 'policy.yaml': bytes, 'release.pub': PEM })
    await expect(loadValidPolicy(join(directory, 'policy.yaml'))).rejects.toEqual(refusal('POLICY_INVALID'))
  })

  test('names a key file that is missing or not a public key', async () => {
    const directory = scratch({ 'policy.yaml': POLICY })
    await expect(loadValidPolicy(join(directory, 'policy.yaml'))).rejects.toEqual(refusal('FILE_NOT_FOUND'))
    const junk = scratch({ 'policy.yaml': POLICY, 'release.pub': 'junk' })
    await expect(loadValidPolicy(join(junk, 'policy.yaml'))).rejects.toEqual(refusal('KEY_INVALID'))
  })
})

describe('the policy that applies', () => {
  function inDirectory(directory: string, variable?: string): void {
    const before = { directory: process.cwd(), variable: process.env['MODELSEAL_POLICY'] }
    onTestFinished(() => {
      process.chdir(before.directory)
      setVariable(before.variable)
    })
    process.chdir(directory)
    setVariable(variable)
  }

  function setVariable(value: string | undefined): void {
    if (value === undefined) delete process.env['MODELSEAL_POLICY']
    else process.env['MODELSEAL_POLICY'] = value
  }

  function tree(): string {
    return scratch({
      'given.yaml': POLICY,
      'named.yaml': POLICY,
      'modelseal.policy.yaml': POLICY,
      'a/modelseal.policy.json': JSON.stringify({ version: 1, trustRoots: {}, rules: [] }),
      'b/modelseal.policy.yml': POLICY,
      'b/c/d/file': '',
      'release.pub': PEM,
      'b/release.pub': PEM,
    })
  }

  test('is the given one rather than the one in the environment', async () => {
    const directory = tree()
    inDirectory(directory, 'named.yaml')
    expect((await loadValidPolicy('given.yaml')).path).toBe(join(directory, 'given.yaml'))
  })

  test('is the one in the environment, before any in a directory', async () => {
    const directory = tree()
    inDirectory(directory, 'named.yaml')
    expect((await loadValidPolicy()).path).toBe(join(directory, 'named.yaml'))
  })

  test('is the nearest one from the working directory upward', async () => {
    const directory = tree()
    inDirectory(join(directory, 'b/c/d'))
    expect((await loadValidPolicy()).path).toBe(join(directory, 'b/modelseal.policy.yml'))
  })

  test('is the nearest one even if it is invalid: none is skipped', async () => {
    inDirectory(join(tree(), 'a'))
    await expect(loadValidPolicy()).rejects.toEqual(refusal('POLICY_INVALID'))
  })

  test('is refused if a directory has two', async () => {
    inDirectory(scratch({ 'modelseal.policy.yaml': POLICY, 'modelseal.policy.json': '{}', 'release.pub': PEM }))
    await expect(loadValidPolicy()).rejects.toEqual(refusal('POLICY_INVALID'))
  })

  test('accepts no model if it does not exist', async () => {
    const directory = scratch()
    inDirectory(directory)
    await expect(loadValidPolicy()).rejects.toEqual(refusal('POLICY_NOT_FOUND'))
    await expect(loadValidPolicy('none.yaml')).rejects.toEqual(refusal('POLICY_NOT_FOUND'))
    setVariable('none.yaml')
    await expect(loadValidPolicy()).rejects.toEqual(refusal('POLICY_NOT_FOUND'))
  })
})
