import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openVerifiedModel } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal } from '../../../../core/src/testing/scratch.ts'
import { pushModel } from '../../publishing/push-model.ts'
import type { HuggingFacePush, PushOptions } from '../../publishing/push-options.ts'
import { signedDirectory } from '../../testing/signed-model.ts'
import { SmallHub } from '../../testing/small-hub.ts'
import { huggingFaceSource } from '../hugging-face-source.ts'

const TOKEN = 'hf_secret'

describe('a model that is pushed to Hugging Face', () => {
  let hub: SmallHub
  beforeEach(async () => {
    vi.stubEnv('HF_HUB_DISABLE_XET', '1')
    hub = await SmallHub.start()
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await hub.close()
  })

  async function push(
    given: Partial<PushOptions> & {
      target?: string
      huggingFace?: HuggingFacePush
      signed?: Awaited<ReturnType<typeof signedDirectory>>
    } = {},
  ) {
    const { target = 'hf://org/vad', signed = await signedDirectory(), ...options } = given
    const { publicKey } = signed
    return pushModel(signed.model, target, {
      signedBy: { verifier: { publicKey } },
      ...options,
      huggingFace: { endpoint: hub.origin, token: TOKEN, ...options.huggingFace },
    })
  }

  const repository = (files: Readonly<Record<string, string>> = {}, name = 'org/vad') =>
    hub.commit(
      name,
      new Map(Object.entries({ '.gitattributes': '', ...files }).map(([key, text]) => [key, Buffer.from(text)])),
    )
  const served = (branch = 'main', name = 'org/vad') => {
    const found = hub.repositories.get(name)
    return found?.commits.get(found.references.get(branch) ?? '')
  }

  test('is served in one commit with its bundle', async () => {
    const before = repository()
    const signed = await signedDirectory()
    const pushed = await push({ signed })
    const commits = [...(hub.repositories.get('org/vad')?.commits.keys() ?? [])]
    expect(commits).toEqual([before, pushed.revision])
    expect(pushed).toMatchObject({
      url: `hf://org/vad@${pushed.revision}`,
      requested: 'main',
      rootDigest: signed.rootDigest,
      bundles: [`hf://org/vad@${pushed.revision}/model.sig`],
      uploaded: ['README.md', 'config.json', 'empty.txt', 'onnx/weights.bin'].map((name) => ({ name })),
      checked: { full: false, files: 4, read: 3 },
      deleted: [],
    })
    expect([...(served()?.keys() ?? [])].sort()).toEqual(
      ['.gitattributes', 'README.md', 'config.json', 'empty.txt', 'model.sig', 'onnx/weights.bin'].sort(),
    )
    expect(served()?.get('model.sig')).toEqual(readFileSync(join(signed.model, 'model.sig')))
  })

  test('is read back in full on request', async () => {
    repository()
    const { checked } = await push({ verify: 'full' })
    expect(checked).toEqual({ full: true, files: 4, read: 4, bytes: 700_007 })
  })

  test('is proven whatever it was hashed with', async () => {
    repository()
    const signed = await signedDirectory(undefined, { hashType: 'blake2b' })
    expect((await push({ signed })).checked).toMatchObject({ full: false, read: 4 })
    const sharded = await signedDirectory(undefined, { shardSize: 1_000 })
    expect((await push({ signed: sharded })).checked).toMatchObject({ full: false, read: 3 })
  })

  test('goes to a folder, a branch or a dataset', async () => {
    repository({ 'other/model.sig': 'x' })
    hub.commit('org/vad', new Map([['README.md', Buffer.from('# kept')]]), { branch: 'next' })
    hub.commit('datasets/org/speech', new Map([['.gitattributes', Buffer.from('')]]))
    const folder = await push({ target: 'hf://org/vad/small' })
    expect(folder.url).toBe(`hf://org/vad@${folder.revision}/small`)
    expect([...(served()?.keys() ?? [])]).toContain('small/onnx/weights.bin')
    expect((await push({ target: 'hf://org/vad@next' })).requested).toBe('next')
    expect((await push({ target: 'hf://datasets/org/speech' })).url).toMatch(/^hf:\/\/datasets\/org\/speech@/)
  })

  test('creates the repository only on request', async () => {
    const hint = expect.stringContaining('--create-repo') as string
    await expect(push()).rejects.toEqual(refusal('MODEL_NOT_FOUND', { hint }))
    expect(hub.repositories.size).toBe(0)
    await push({ huggingFace: { createRepo: true, private: true } })
    const onHub = expect.stringContaining('on the hub') as string
    const branch = push({ target: 'hf://org/vad@none', huggingFace: { createRepo: true } })
    await expect(branch).rejects.toEqual(refusal('MODEL_NOT_FOUND', { hint: onHub }))
    expect([...(served()?.keys() ?? [])]).toContain('model.sig')
  })

  test('creates no branch, and says so', async () => {
    repository()
    await expect(push({ target: 'hf://org/vad@next', huggingFace: { createRepo: true } })).rejects.toEqual(
      refusal('MODEL_NOT_FOUND', { hint: expect.stringContaining('creates no branches') }),
    )
    expect(hub.asked.filter((each) => each.includes('POST'))).toEqual([])
  })

  test('opens a pull request, and is read back there', async () => {
    const before = repository()
    const pushed = await push({ huggingFace: { createPr: true, message: 'Release 1' } })
    expect(pushed).toMatchObject({ requested: 'refs/pr/1', pullRequest: `${hub.origin}/org/vad/discussions/1` })
    expect(hub.repositories.get('org/vad')?.references.get('main')).toBe(before)
    expect(hub.asked).toContain('hub GET /api/models/org/vad/revision/refs%2Fpr%2F1')
  })

  test('refuses other files of the repository, or deletes them in the same commit', async () => {
    repository({ 'old.bin': 'old', '.gitignore': '*.log' })
    await expect(push()).rejects.toEqual(
      refusal('FILE_UNSIGNED', { problems: [{ code: 'FILE_UNSIGNED', file: 'old.bin' }] }),
    )
    const pushed = await push({ huggingFace: { delete: true } })
    expect(pushed.deleted).toEqual(['old.bin'])
    expect(served()?.has('old.bin')).toBe(false)
    expect(served()?.has('.gitignore')).toBe(true)
  })

  test('has its bundle where a load looks for it, wherever it was on this machine', async () => {
    repository()
    const signed = await signedDirectory()
    const signature = join(dirname(signed.model), 'elsewhere.sig')
    renameSync(join(signed.model, 'model.sig'), signature)
    const pushed = await push({ signed, signature })
    expect(pushed).toMatchObject({
      bundles: [`hf://org/vad@${pushed.revision}/model.sig`],
      bundleFiles: [signature],
    })
    const policy = join(dirname(signed.model), 'policy.yaml')
    const rule = `{ name: all, match: { source: 'hf://org/*' }, signers: [{ key: a }] }`
    writeFileSync(policy, `version: 1\ntrustRoots: { a: { publicKey: ${signed.publicKey} } }\nrules: [${rule}]\n`)
    const source = huggingFaceSource('hf://org/vad', { endpoint: hub.origin, token: false, cache: false })
    await using model = await openVerifiedModel(source, { policy })
    expect(model.verdict.bundles).toMatchObject([{ path: 'hf://org/vad/model.sig', counted: true }])
  })

  test('with one bundle, refuses the bundles of several signers that were pushed before, or deletes them', async () => {
    const before = repository({ 'signer-1.oms.sig': '{}', 'signer-2.oms.sig': '{}' })
    await expect(push()).rejects.toEqual(
      refusal('FILE_UNSIGNED', {
        message: expect.stringContaining('it has other signature bundles'),
        found: '"signer-1.oms.sig", "signer-2.oms.sig"',
        hint: 'Loads would refuse the model because of them. To delete them in the same commit, use --delete ("delete").',
      }),
    )
    expect(hub.repositories.get('org/vad')?.references.get('main')).toBe(before)
    expect((await push({ huggingFace: { delete: true } })).deleted).toEqual(['signer-1.oms.sig', 'signer-2.oms.sig'])
    expect([...(served()?.keys() ?? [])].filter((name) => name.endsWith('.sig'))).toEqual(['model.sig'])
  })

  describe('with two signers', () => {
    /** The second signer gave the model another name. */
    async function signedByTwo() {
      const { model: first, publicKey, privateKey } = await signedDirectory()
      const other = await signedDirectory()
      const model = join(dirname(first), 'two')
      renameSync(first, model)
      const signer = await keySigner({ privateKey: other.privateKey })
      await signModel(model, { signer, signature: `${model}.b.sig` })
      const signers = 'signers: [{ key: a }, { key: b }], threshold: 2'
      const policy = join(dirname(model), 'policy.yaml')
      writeFileSync(
        policy,
        `version: 1
trustRoots: { a: { publicKey: ${publicKey} }, b: { publicKey: ${other.publicKey} } }
rules:
  - { name: here, match: { path: two }, ${signers} }
  - { name: there, match: { source: 'hf://org/*' }, ${signers} }
`,
      )
      // So that the bundles have no usual names.
      renameSync(join(model, 'model.sig'), `${model}.sig`)
      return { model, policy, publicKey, privateKey, rootDigest: '' }
    }
    const pushTwo = async (huggingFace: HuggingFacePush = {}) => {
      const signed = await signedByTwo()
      const { policy } = signed
      const pushed = await push({ signed, signedBy: { policy }, huggingFace })
      const source = huggingFaceSource('hf://org/vad', { endpoint: hub.origin, token: false, cache: false })
      const model = await openVerifiedModel(source, { policy })
      await model.close()
      return { pushed, model }
    }

    test('has all bundles where a load finds them, whatever the signers called the model', async () => {
      repository()
      const { pushed, model } = await pushTwo()
      expect(pushed.signers).toHaveLength(2)
      expect(pushed.bundles.map((url) => url.replace(/.*\//, ''))).toEqual(['signer-1.oms.sig', 'signer-2.oms.sig'])
      expect(model.verdict.bundles.map(({ counted }) => counted)).toEqual([true, true])
    })

    test('takes the place of one bundle, which would hide the two, in the same commit', async () => {
      repository()
      await push()
      const commits = hub.repositories.get('org/vad')?.commits.size ?? 0
      const { pushed } = await pushTwo()
      expect(pushed.deleted).toEqual(['model.sig'])
      expect(served()?.has('model.sig')).toBe(false)
      expect(hub.repositories.get('org/vad')?.commits.size).toBe(commits + 1)
      expect((await pushTwo()).pushed.deleted).toEqual([])
    })

    test('refuses other bundles in the repository before it uploads, or deletes them', async () => {
      const before = repository({ 'model.sig': '{}', 'signer-3.oms.sig': '{}' })
      await expect(pushTwo()).rejects.toEqual(
        refusal('FILE_UNSIGNED', {
          file: 'signer-3.oms.sig',
          message: expect.stringContaining('other signature bundles'),
          hint: expect.stringContaining('--delete'),
        }),
      )
      expect(hub.repositories.get('org/vad')?.references.get('main')).toBe(before)
      expect((await pushTwo({ delete: true })).pushed.deleted).toEqual(['model.sig', 'signer-3.oms.sig'])
    })

    test('is not proven if the hub drops one of the bundles, and the message says so once', async () => {
      repository()
      hub.committing = (files) => new Map([...files].filter(([name]) => name !== 'signer-2.oms.sig'))
      const error: unknown = await pushTwo().catch((thrown: unknown) => thrown)
      expect(error).toEqual(refusal('PUSH_UNPROVEN', { file: 'signer-2.oms.sig' }))
      expect((error as Error).message.match(/Expected .*?, found /g)).toHaveLength(1)
    })
  })

  describe('and that is not what was signed', () => {
    test('is not uploaded if a file changed since it was signed', async () => {
      repository()
      const signed = await signedDirectory()
      writeFileSync(join(signed.model, 'config.json'), '[]')
      const hint = expect.stringContaining('sign the model again, as "modelseal push key') as string
      await expect(push({ signed })).rejects.toEqual(refusal('FILE_MISMATCH', { hint }))
      rmSync(join(signed.model, 'model.sig'))
      const unsigned = await push({ signed }).catch((error: unknown) => error)
      const first = expect.stringContaining('Sign the model, as "modelseal push key') as string
      expect(unsigned).toEqual(refusal('BUNDLE_NOT_FOUND', { hint: first }))
      expect((unsigned as Error).message).not.toContain('publisher')
      expect(hub.asked.filter((each) => each.includes('POST'))).toEqual([])
    })

    test('is not uploaded if another key signed it', async () => {
      repository()
      const [signed, other] = [await signedDirectory(), await signedDirectory()]
      await expect(push({ signed: { ...signed, publicKey: other.publicKey } })).rejects.toEqual(refusal('KEY_MISMATCH'))
    })

    test('is refused if a file changes while it is uploaded', async () => {
      repository()
      const signed = await signedDirectory()
      // The size stays, so that only the digest tells.
      hub.fault = (request) => {
        if (request.url?.includes('preupload')) writeFileSync(join(signed.model, 'config.json'), '[]')
        return false
      }
      await expect(push({ signed })).rejects.toEqual(
        expect.objectContaining({ code: expect.stringMatching(/^(?:FILE_CHANGED|PUSH_UNPROVEN)$/) }),
      )
    })
  })

  describe('to a hub that lies is not reported as published', () => {
    const unproven = (file: string, code: string) =>
      refusal('PUSH_UNPROVEN', {
        file,
        cause: expect.objectContaining({ code }),
        message: expect.stringMatching(/hf:\/\/org\/vad@[0-9a-f]{40}/),
      })

    test('a file is missing from the commit', async () => {
      repository()
      hub.committing = (files) => new Map([...files].filter(([name]) => name !== 'config.json'))
      await expect(push()).rejects.toEqual(unproven('config.json', 'FILE_MISSING'))
    })

    test('the bundle is missing from the commit, or is another one', async () => {
      repository()
      hub.committing = (files) => new Map([...files].filter(([name]) => name !== 'model.sig'))
      await expect(push()).rejects.toEqual(unproven('model.sig', 'BUNDLE_NOT_FOUND'))
      hub.committing = (files) => new Map([...files, ['model.sig', Buffer.from('{}')]])
      await expect(push()).rejects.toEqual(unproven('model.sig', 'BUNDLE_NOT_FOUND'))
    })

    test('a file is added to the commit', async () => {
      repository()
      hub.committing = (files) => new Map([...files, ['handler.py', Buffer.from('import os')]])
      await expect(push()).rejects.toEqual(unproven('handler.py', 'FILE_UNSIGNED'))
    })

    test('a small file is another one of the same size', async () => {
      repository()
      hub.committing = (files) => new Map([...files, ['config.json', Buffer.from('[]')]])
      await expect(push()).rejects.toEqual(unproven('config.json', 'FILE_MISMATCH'))
    })

    test('a large file is another one, which its digest tells', async () => {
      repository()
      hub.committing = (files) => new Map([...files, ['onnx/weights.bin', Buffer.from('WEIGHTS'.repeat(100_000))]])
      await expect(push()).rejects.toEqual(unproven('onnx/weights.bin', 'FILE_MISMATCH'))
    })

    test('other bytes are stored than those of the digest, which a full check finds', async () => {
      repository()
      const signed = await signedDirectory()
      const weights = readFileSync(join(signed.model, 'onnx/weights.bin'))
      hub.fault = (request) => {
        if (request.url?.includes('/tree/')) hub.replaceStored(weights, Buffer.from('WEIGHTS'.repeat(100_000)))
        return false
      }
      await expect(push({ signed, verify: 'full' })).rejects.toEqual(unproven('onnx/weights.bin', 'FILE_MISMATCH'))
    })

    test('an older commit is answered', async () => {
      const before = repository()
      hub.fault = (request, response) => {
        if (request.url?.includes('/commit/') !== true) return false
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ success: true, commitOid: before, commitUrl: `${hub.origin}/x` }))
        return true
      }
      await expect(push()).rejects.toEqual(refusal('PUSH_UNPROVEN'))
    })

    test('it names another commit than the branch has, even if that has the same content', async () => {
      repository()
      const signed = await signedDirectory()
      const names = ['README.md', 'config.json', 'empty.txt', 'model.sig', 'onnx/weights.bin']
      const content = names.map((name) => [name, readFileSync(join(signed.model, name))] as const)
      const claimed = 'a'.repeat(40)
      hub.fault = (request, response) => {
        if (request.url?.includes('/commit/') !== true) return false
        hub.commit('org/vad', new Map(content))
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ success: true, commitOid: claimed, commitUrl: `${hub.origin}/x` }))
        return true
      }
      await expect(push({ signed })).rejects.toEqual(refusal('PUSH_UNPROVEN', { expected: claimed }))
    })

    test('the branch stays at an older commit', async () => {
      repository()
      const main = hub.repositories.get('org/vad')
      const first = main?.references.get('main') ?? ''
      hub.fault = (request) => {
        // After the commit, the branch is set back.
        if (request.url?.includes('/revision/') && (main?.commits.size ?? 0) > 1) main?.references.set('main', first)
        return false
      }
      await expect(push()).rejects.toEqual(refusal('PUSH_UNPROVEN'))
    })
  })

  test('is refused if the branch changed meanwhile', async () => {
    const before = repository()
    hub.fault = (request) => {
      if (request.url?.includes('preupload')) repository({ 'config.json': 'of another' })
      return false
    }
    await expect(push()).rejects.toEqual(refusal('PUSH_CONFLICT', { expected: before }))
  })

  describe('takes its token', () => {
    test('to the hub alone', async () => {
      repository()
      await push()
      expect(hub.tokens.filter(({ to }) => to === 'storage').length).toBeGreaterThan(0)
      expect(
        hub.tokens.every(({ to, authorization }) => (to === 'hub') === (authorization === `Bearer ${TOKEN}`)),
      ).toBe(true)
    })

    test('to no other place that the hub redirects to', async () => {
      repository()
      const thief = await SmallHub.start()
      hub.fault = (request, response) => {
        if (request.url?.includes('preupload') !== true) return false
        response.writeHead(307, { location: `${thief.origin}/api/models/org/vad/preupload/main` }).end()
        return true
      }
      await expect(push()).rejects.toEqual(refusal('PUSH_REFUSED'))
      expect(thief.tokens).toEqual([{ to: 'hub', authorization: undefined }])
      await thief.close()
    })

    test.each([301, 302, 303])('nowhere by status %i, which changes the method', async (status) => {
      repository()
      hub.fault = (request, response) => {
        if (request.url?.includes('preupload') !== true) return false
        response.writeHead(status, { location: '/elsewhere' }).end()
        return true
      }
      await expect(push()).rejects.toEqual(refusal('HTTP_REDIRECT'))
    })
  })

  test('is not sent to storage in the clear, or in a private network, that a hub names', async () => {
    const { guardedFetch } = await import('./guarded-fetch.ts')
    const upload = guardedFetch(new URL('https://8.8.8.8'), TOKEN)
    await expect(upload('http://8.8.4.4/lfs')).rejects.toEqual(refusal('HTTP_REDIRECT'))
    await expect(upload('https://169.254.169.254/lfs')).rejects.toEqual(refusal('HTTP_REDIRECT'))
  })

  test('reports a refusal without the signed addresses of the storage', async () => {
    repository()
    hub.fault = (request, response) => {
      if (request.method !== 'PUT') return false
      response.writeHead(403, { 'content-type': 'application/xml' }).end('<Error/>')
      return true
    }
    const refused = expect(push()).rejects
    await refused.toEqual(refusal('PUSH_REFUSED', { found: 'status 403' }))
    await push().catch((error: unknown) => expect(JSON.stringify(error)).not.toContain('signature=secret'))
  })

  test('needs a token, a branch, and options of hubs', async () => {
    repository()
    await expect(push({ huggingFace: { token: false } })).rejects.toEqual(refusal('PUSH_REFUSED'))
    await expect(push({ huggingFace: { token: 'other' } })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    await expect(push({ target: `hf://org/vad@${'a'.repeat(40)}` })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    await expect(push({ target: 'https://example.com/vad' })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    await expect(push()).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('stops when the caller aborts', async () => {
    repository()
    await expect(push({ signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
    const controller = new AbortController()
    hub.fault = (request) => {
      if (request.url?.includes('preupload')) controller.abort()
      return false
    }
    await expect(push({ signal: controller.signal })).rejects.toEqual(refusal('ABORTED'))
    expect(hub.repositories.get('org/vad')?.commits.size).toBe(1)
  })
})
