import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { keySigner, signModel } from '@modelseal/core/signing'
import { verifyModel } from '@modelseal/core/verification'

const work = mkdtempSync(join(tmpdir(), 'modelseal-shards-'))
const model = join(work, 'model')
const signature = join(work, 'model.sig')
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
writeFileSync(join(work, 'key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
writeFileSync(join(work, 'pub'), publicKey.export({ type: 'spki', format: 'pem' }))
afterAll(() => rmSync(work, { recursive: true }))

beforeEach(() => {
  rmSync(model, { recursive: true, force: true })
  mkdirSync(model)
})

const sign = async (shardSize: number) =>
  signModel(model, { signature, shardSize, signer: await keySigner({ privateKey: join(work, 'key') }) })
const verify = () => verifyModel(model, { signature, verifier: { publicKey: join(work, 'pub') } })

interface Predicate {
  resources: { name: string; digest: string; algorithm: string }[]
  serialization: object
}

function signedPredicate(): Predicate {
  const bundle = JSON.parse(readFileSync(signature, 'utf8')) as { dsseEnvelope: { payload: string } }
  return (JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString()) as { predicate: Predicate })
    .predicate
}

describe('shards', () => {
  test('are named path:start:end, sorted by name, and have the digest of their range', async () => {
    const content = Buffer.from('abcdefghijklmnopqrstuvwxyz')
    writeFileSync(join(model, 'w'), content)
    writeFileSync(join(model, 'empty'), '')
    await sign(8)
    const digest = (start: number, end: number) =>
      createHash('sha256').update(content.subarray(start, end)).digest('hex')
    const { resources, serialization } = signedPredicate()
    expect(resources).toEqual([
      { name: 'w:0:8', digest: digest(0, 8), algorithm: 'sha256' },
      { name: 'w:16:24', digest: digest(16, 24), algorithm: 'sha256' },
      { name: 'w:24:26', digest: digest(24, 26), algorithm: 'sha256' },
      { name: 'w:8:16', digest: digest(8, 16), algorithm: 'sha256' },
    ])
    expect(serialization).toMatchObject({ method: 'shards', shard_size: 8 })
    expect((await verify()).files).toEqual({ checked: 1, signed: 1 })
  })

  test('of a file that shrank or grew are refused before hashing', async () => {
    writeFileSync(join(model, 'w'), 'x'.repeat(20))
    await sign(8)
    truncateSync(join(model, 'w'), 16)
    await expect(verify()).rejects.toMatchObject({ code: 'FILE_MISMATCH', expected: '20 bytes', found: '16 bytes' })
    writeFileSync(join(model, 'w'), 'x'.repeat(24))
    await expect(verify()).rejects.toMatchObject({ code: 'FILE_MISMATCH', expected: '20 bytes', found: '24 bytes' })
  })

  test('that are so small that the manifest would be too long are refused before hashing', async () => {
    writeFileSync(join(model, 'w'), '')
    truncateSync(join(model, 'w'), 2_000_000)
    await expect(sign(1)).rejects.toMatchObject({ code: 'MODEL_TOO_LARGE' })
    await expect(sign(0)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(sign(1.5)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('of any size can be signed and verified for any files, and one changed byte is refused', async () => {
    const files = fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(files, fc.integer({ min: 1, max: 4000 }), fc.nat(), async (contents, shardSize, where) => {
        fc.pre(contents.some(({ length }) => length > 0))
        rmSync(model, { recursive: true, force: true })
        mkdirSync(model)
        for (const [index, content] of contents.entries()) writeFileSync(join(model, `f:${index}`), content)
        await sign(shardSize)
        await verify()

        const index = contents.findIndex(({ length }) => length > 0)
        const content = contents[index]!
        content[where % content.length]! ^= 1
        writeFileSync(join(model, `f:${index}`), content)
        await expect(verify()).rejects.toMatchObject({ code: 'FILE_MISMATCH', file: `f:${index}` })
      }),
      { numRuns: 60 },
    )
  })

  test('of one large file are distributed over the pool and combined in order', async () => {
    const content = Buffer.alloc(40_000_000)
    for (let i = 0; i < content.length; i += 4096) content.writeUInt32LE(i, i)
    writeFileSync(join(model, 'big'), content)
    await sign(1_000_003)
    const { resources } = signedPredicate()
    for (const { name, digest } of resources) {
      const [, start, end] = name.split(':').map(Number)
      expect(digest).toBe(createHash('sha256').update(content.subarray(start, end)).digest('hex'))
    }
    expect((await verify()).bytes).toBe(40_000_000)
  })
})
