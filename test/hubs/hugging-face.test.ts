import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as client from '@huggingface/hub'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SmallHub } from '../../packages/hub/src/testing/small-hub.ts'
import { contentsOf, modelseal, policyFor, signedModel, type SignedModel } from './models.ts'
import { python, temporary } from './programs.ts'

// Both official clients, against a small hub of this project: what they upload is verified, what is pushed they download.

const TOKEN = 'hf_secret'

let hub: SmallHub
let environment: Record<string, string>
beforeEach(async () => {
  hub = await SmallHub.start()
  environment = { HF_ENDPOINT: hub.origin, HF_TOKEN: TOKEN }
})
afterEach(() => hub.close())

async function verified(model: SignedModel, url: string): Promise<void> {
  const own = { ...environment, HF_HOME: temporary() }
  const { code, stderr } = await modelseal(['verify', url, '--policy', policyFor(model)], own)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
}

async function push(model: SignedModel, ...options: string[]) {
  const args = ['push', model.path, 'hf://org/vad', '--public-key', model.publicKey, '--json', ...options]
  const { code, stdout } = await modelseal(args, environment)
  expect({ code, stdout }).toMatchObject({ code: 0 })
  return (JSON.parse(stdout) as { result: { revision: string; requested: string } }).result
}

describe('the Python client', () => {
  test('uploads a signed model that is verified, also in a pull request', async () => {
    const model = await signedModel()
    const { commit } = await python(['upload', 'org/vad', model.path], environment)
    await verified(model, `hf://org/vad@${commit}`)
    writeFileSync(join(model.path, 'config.json'), '[]')
    const { revision } = await python(['upload_pull_request', 'org/vad', model.path], environment)
    expect(revision).toBe('refs/pr/1')
    const { stderr } = await modelseal(['verify', `hf://org/vad@${revision}`, '--policy', policyFor(model)], {
      ...environment,
      HF_HOME: temporary(),
    })
    expect(stderr).toMatch(/^Error FILE_MISMATCH/)
  })

  test('downloads what is pushed, from the branch and from a pull request', async () => {
    const model = await signedModel()
    await push(model, '--create-repo')
    const folder = temporary()
    await python(['download', 'org/vad', folder], environment)
    expect(contentsOf(folder)).toEqual(contentsOf(model.path))
    const { requested } = await push(model, '--create-pr')
    const other = temporary()
    await python(['download', 'org/vad', other, requested], environment)
    expect(contentsOf(other)).toEqual(contentsOf(model.path))
  })

  test('shares its cache: each finds there, offline, what the other has fetched', async () => {
    const model = await signedModel()
    await push(model, '--create-repo')
    const [ours, theirs] = [temporary(), temporary()]
    const verify = ['verify', 'hf://org/vad', '--policy', policyFor(model)]
    expect(await modelseal(verify, { ...environment, HF_HOME: ours })).toMatchObject({ code: 0, stderr: '' })
    const downloaded = await python(['snapshot', 'org/vad'], { ...environment, HF_HOME: theirs })
    expect(contentsOf(downloaded.path ?? '')).toEqual(contentsOf(model.path))
    const asked = hub.asked.length
    const offline = { ...environment, HF_HUB_OFFLINE: '1' }
    const found = await python(['snapshot', 'org/vad'], { ...offline, HF_HOME: ours })
    expect(contentsOf(found.path ?? '')).toEqual(contentsOf(model.path))
    expect(await modelseal(verify, { ...offline, HF_HOME: theirs })).toMatchObject({ code: 0, stderr: '' })
    expect(hub.asked.length).toBe(asked)
  })

  test('meets the same conflict as "push" if the branch has moved', async () => {
    const model = await signedModel()
    const first = await python(['upload', 'org/vad', model.path], environment)
    writeFileSync(join(model.path, 'README.md'), '# another')
    await python(['upload', 'org/vad', model.path], environment)
    writeFileSync(join(model.path, 'README.md'), '# a third')
    const { status } = await python(['upload', 'org/vad', model.path, first.commit ?? ''], environment)
    expect(status).toBe(412)
  })
})

describe('the JavaScript client', () => {
  const options = () => ({ repo: 'org/vad', accessToken: TOKEN, hubUrl: hub.origin })

  test('uploads a signed model that is verified', async () => {
    const model = await signedModel()
    await client.createRepo(options())
    const files = Object.entries(contentsOf(model.path)).map(([path, text]) => ({
      path,
      content: new Blob([Uint8Array.from(Buffer.from(text, 'base64'))]),
    }))
    await client.uploadFiles({ ...options(), files, useXet: false })
    await verified(model, 'hf://org/vad')
  })

  test('downloads what is pushed', async () => {
    const model = await signedModel()
    const { revision } = await push(model, '--create-repo', '--verify', 'full')
    const names: string[] = []
    for await (const { path, type } of client.listFiles({ ...options(), revision, recursive: true }))
      if (type === 'file') names.push(path)
    expect(names.filter((name) => name !== '.gitattributes').sort()).toEqual(Object.keys(contentsOf(model.path)))
    for (const path of Object.keys(contentsOf(model.path))) {
      const blob = await client.downloadFile({ ...options(), path, revision, xet: false })
      expect(Buffer.from((await blob?.arrayBuffer()) ?? new ArrayBuffer())).toEqual(
        readFileSync(join(model.path, path)),
      )
    }
  })
})
