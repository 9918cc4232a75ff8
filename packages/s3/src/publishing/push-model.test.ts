import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openVerifiedModel } from '@modelseal/core'
import { attestModel } from '@modelseal/core/attestation'
import { keySigner } from '@modelseal/core/signing'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { signedDirectory, type SignedDirectory } from '../../../hub/src/testing/signed-model.ts'
import { s3Source } from '../s3-source.ts'
import { answerXml, errorXml, SmallS3 } from '../testing/small-s3.ts'
import { checkPushTarget, pushModel } from './push-model.ts'

let store: SmallS3
let signed: SignedDirectory
beforeEach(async () => {
  store = await SmallS3.start()
  onTestFinished(() => store.close())
  signed = await signedDirectory()
})

const push = (target = 's3://models/vad/1.0') =>
  pushModel(signed.model, target, { signedBy: { verifier: { publicKey: signed.publicKey } }, s3: store.options })

describe('a pushed model', () => {
  test('has its bundle last, and every byte of it was read back', async () => {
    const pushed = await push()
    const sent = store.asked.filter((line) => line.startsWith('PUT '))
    expect(sent).toHaveLength(5)
    expect(sent.at(-1)).toBe('PUT /models/vad/1.0/model.sig')
    expect(pushed).toMatchObject({
      url: 's3://models/vad/1.0',
      rootDigest: signed.rootDigest,
      bundles: ['s3://models/vad/1.0/model.sig'],
      checked: { full: true, files: 4, read: 4, bytes: 700_007 },
    })
    const model = await openVerifiedModel(s3Source('s3://models/vad/1.0', store.options), {
      policy: policyFile(),
    })
    await model.close()
  })

  test('is sent to the region that the store has named', async () => {
    const regions = new Set<string | undefined>()
    store.fault = (request, response) => {
      const region = /Credential=[^/]*\/\d{8}\/([^/]*)\//.exec(request.headers.authorization ?? '')?.[1]
      if (request.method === 'PUT') regions.add(region)
      if (region === 'eu-west-1') return false
      request.resume().on('end', () => answerXml(response, 301, errorXml('x'), { 'x-amz-bucket-region': 'eu-west-1' }))
      return true
    }
    await push()
    expect([...regions]).toEqual(['eu-west-1'])
  })

  test('can be pushed again, and to the bucket itself', async () => {
    await push()
    await push()
    store.objects.clear()
    await push('s3://models')
    expect([...store.objects.keys()].sort()).toContain('model.sig')
  })

  test('has its attestations, and keeps those that are there', async () => {
    const signer = await keySigner({ privateKey: signed.privateKey })
    const attest = (note: string) =>
      attestModel(signed.model, {
        signer,
        type: 'https://example.org/review/v1',
        predicate: { note },
        output: `${signed.model}.claims.jsonl`,
        signature: join(signed.model, 'model.sig'),
      })
    await attest('first')
    store.objects.set('vad/1.0/claims.jsonl', Buffer.from('{"of":"another"}'))
    expect((await push()).attestations).toMatchObject([{ type: 'https://example.org/review/v1' }])
    const served = String(store.objects.get('vad/1.0/claims.jsonl')).split('\n')
    expect(served[0]).toBe('{"of":"another"}')
    expect(served).toHaveLength(3)
  })
})

describe('a push is refused', () => {
  test('where there are objects that are not signed, before anything is sent', async () => {
    store.objects.set('vad/1.0/old.bin', Buffer.from('x'))
    await expect(push()).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'old.bin' }))
    expect(store.asked.filter((line) => line.startsWith('PUT '))).toEqual([])
  })

  test('if the model is not what was signed', async () => {
    writeFileSync(join(signed.model, 'config.json'), '[]')
    await expect(push()).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test('if the store keeps something else', async () => {
    store.fault = (request, response, key) => {
      if (request.method !== 'PUT' || key !== 'vad/1.0/config.json') return false
      request.resume().on('end', () => {
        store.objects.set(key, Buffer.from('[]'))
        response.writeHead(200).end()
      })
      return true
    }
    await expect(push()).rejects.toEqual(refusal('PUSH_UNPROVEN', { cause: refusal('FILE_MISMATCH') as Error }))
  })

  test('if the store denies it', async () => {
    store.fault = (request, response) => {
      if (request.method !== 'PUT') return false
      request.resume().on('end', () => answerXml(response, 403, errorXml('AccessDenied')))
      return true
    }
    await expect(push()).rejects.toEqual(
      refusal('HTTP_RESPONSE', { hint: expect.stringContaining('s3:PutObject') as string }),
    )
  })

  test('to something that is no bucket', async () => {
    await expect(checkPushTarget('s3://Models', { s3: store.options })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    await expect(push('hf://org/vad')).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})

function policyFile(): string {
  const file = `${signed.publicKey}.policy.yaml`
  const rule = { name: 'all', match: { url: 's3://models/**' }, signers: [{ key: 'release' }] }
  const publicKey = 'release.pub'
  expect(readFileSync(signed.publicKey, 'utf8')).toContain('PUBLIC KEY')
  writeFileSync(file, JSON.stringify({ version: 1, trustRoots: { release: { publicKey } }, rules: [rule] }))
  return file
}
