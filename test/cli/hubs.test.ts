import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SmallHub } from '../../packages/hub/src/testing/small-hub.ts'
import { TestRegistry } from '../../packages/hub/src/testing/oci-registry.ts'
import { directory, failed, modelseal, POLICY, SIGN, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()

let hub: SmallHub
let env: NodeJS.ProcessEnv
beforeEach(async () => {
  hub = await SmallHub.start()
  env = { HF_ENDPOINT: hub.origin, HF_TOKEN: 'hf_secret', HF_TOKEN_PATH: join(directory, 'none'), HF_HOME: directory }
  await write('hub.yaml', POLICY.replace('path: vad', `url: ['hf://org/*', 'oci://127.0.0.1:*/models/*']`))
})
afterEach(() => hub.close())

/** The files of the signed model. */
async function signed(): Promise<Map<string, Buffer>> {
  expect(await modelseal(SIGN)).toMatchObject({ code: 0 })
  const names = await readdir(join(directory, 'vad'), { recursive: true, withFileTypes: true })
  const files = new Map<string, Buffer>()
  for (const entry of names.filter((each) => each.isFile())) {
    const path = join(entry.parentPath, entry.name)
    files.set(path.slice(join(directory, 'vad/').length), await readFile(path))
  }
  return files
}

describe('a model on a hub is judged by the policy:', () => {
  test('verify names the commit, and sends the token to the hub', async () => {
    const commit = hub.commit('org/vad', await signed(), { tokens: ['hf_secret'] })
    const { code, stdout, stderr } = await modelseal(['verify', 'hf://org/vad', '--policy', 'hub.yaml'], env)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('Accepted "hf://org/vad"')
    expect(stdout).toContain(commit)
  })

  test('verify refuses other weights, with exit code 1', async () => {
    const files = await signed()
    hub.commit('org/vad', new Map(files).set('weights.bin', Buffer.alloc(100_000, 8)))
    failed(await modelseal(['verify', 'hf://org/vad', '--policy', 'hub.yaml'], env), 'FILE_MISMATCH')
  })

  test('a bundle of the repository can be named', async () => {
    const files = await signed()
    const bundle = files.get('model.sig') ?? Buffer.alloc(0)
    files.delete('model.sig')
    hub.commit('org/vad', new Map(files).set('signatures/ours.sig', bundle))
    const verify = ['verify', 'hf://org/vad', '--policy', 'hub.yaml', '--signature']
    const { stderr } = await modelseal([...verify, 'hf://org/other/ours.sig'], env)
    expect(stderr).toMatch(/^Error INVALID_ARGUMENT: /)
    // Allowed by the policy only if the bundle may lie in the repository, as every bundle that counts may.
    expect(await modelseal([...verify, 'hf://org/vad/signatures/ours.sig'], env)).toMatchObject({ code: 0 })
  })

  test('policy explain says what is decided', async () => {
    hub.commit('org/vad', await signed())
    const { code, stdout } = await modelseal(['policy', 'explain', 'hf://org/vad', '--policy', 'hub.yaml'], env)
    expect(code).toBe(0)
    expect(stdout).toContain('everything of ours')
  })

  test('a model in a registry is verified by its tag', async () => {
    const registry = await TestRegistry.start()
    const digest = registry.pushFiles(await signed())
    const { code, stdout } = await modelseal(['verify', registry.url(), '--policy', 'hub.yaml', '--json'], env)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, verdict: { model: { revision: digest, requested: '1.0' } } })
  })
})

test('policy explain says with what rules were compared, and policy test judges models on hubs', async () => {
  hub.commit('org/vad', await signed())
  const { code, stdout } = await modelseal(['policy', 'explain', 'hf://other/vad@v1', '--policy', 'hub.yaml'], env)
  expect(code).toBe(1)
  expect(stdout).toMatch(/Why: POLICY_NO_MATCH.*its source and url, which are "hf:\/\/other\/vad"/)
  const expected = (url: string, expect: string) => `- { model: '${url}', expect: ${expect} }\n`
  await write('hub.test.yaml', expected('hf://org/vad', 'accepted') + expected('oci://127.0.0.1:1/other', 'refused'))
  expect(await modelseal(['policy', 'test', 'hub.yaml'], env)).toMatchObject({ code: 0, stderr: '' })
  hub.commit('org/vad', (await signed()).set('weights.bin', Buffer.alloc(100_000, 8)))
  const changed = await modelseal(['policy', 'test', 'hub.yaml'], env)
  expect(changed).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^FAIL .*found refused FILE_MISMATCH/m) as string,
  })
})

describe('a model on a hub is signed without a disk:', () => {
  const sign = (...more: string[]) => ['sign', 'key', 'hf://org/vad', '--private-key', 'release.key', ...more]
  const verify = ['verify', 'key', 'hf://org/vad', '--signature', 'model.sig', '--public-key', 'release.pub']

  test('the bundle is written here, and verifies what the hub has', async () => {
    const files = new Map([
      ['weights.bin', Buffer.alloc(100_000, 7)],
      ['config.json', Buffer.from('{}')],
    ])
    const commit = hub.commit('org/vad', files)
    const { code, stdout } = await modelseal(sign(), { ...env, HF_HUB_CACHE: join(directory, 'hub') })
    expect(code).toBe(0)
    expect(stdout).toContain(`revision     ${commit} (main)`)
    expect(stdout).toContain(`signature    "${join(directory, 'model.sig')}"`)
    expect(stdout).toContain('2 files')
    expect(await readdir(directory)).not.toContain('hub')
    expect(await modelseal(verify, env)).toMatchObject({ code: 0 })
    hub.commit('org/vad', files.set('config.json', Buffer.from('{ }')))
    failed(await modelseal(verify, env), 'FILE_MISMATCH')
  })

  test('digests that the hub states are signed if asked for, which the output says', async () => {
    hub.commit('org/vad', await signed())
    const before = hub.asked.length
    const { code, stdout } = await modelseal(sign('--trust-hub-digests', '--json'), env)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ result: { files: 2, stated: { files: 1, bytes: 100_000 } } })
    expect(hub.asked.slice(before).filter((request) => request.includes('weights.bin'))).toEqual([])
    expect((await modelseal(sign('--trust-hub-digests'), env)).stdout).toMatch(
      /not read {4,}1 file, 100\.0 kB: these digests are the ones that the hub states/,
    )
  })

  test.each([
    ['--receipt', sign('--receipt')],
    ['--trust-hub-digests', ['sign', 'key', 'vad', '--private-key', 'release.key', '--trust-hub-digests']],
  ])('%s is refused where it has no meaning, with exit code 2', async (_, args) => {
    const { code, stderr } = await modelseal(args, env)
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(/^Error INVALID_ARGUMENT: /) })
  })
})
