import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { keySigner } from '../../signing/methods/key.ts'
import type { Signer } from '../../signing/signer.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { TestSigstore } from '../../testing/sigstore.ts'
import { addToFeed, createFeedSource, removeFromFeed } from './edit-feed.ts'
import { signFeed, type SignFeedOptions } from './sign-feed.ts'

const HEX = 'a'.repeat(64)
const DAY = 24 * 3_600_000

let directory: string
let signer: Signer
const at = (name: string) => join(directory, name)
const textOf = (name: string) => readFileSync(at(name), 'utf8')
const sign = (more: Partial<SignFeedOptions> = {}) =>
  signFeed(at('feed.yaml'), { signer, output: at('feed.jsonl'), ...more })

beforeEach(async () => {
  directory = scratch()
  signer = await keyNamed('one')
  await createFeedSource(at('feed.yaml'), { feed: 'acme' })
})
afterEach(() => void vi.useRealTimers())

async function keyNamed(name: string): Promise<Signer> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(at(`${name}.key`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  return keySigner({ privateKey: at(`${name}.key`) })
}

describe('signing a feed refuses', () => {
  test.each<[string, object]>([
    ['no signer', { signer: undefined }],
    ['an invalid signer', { signer: {} }],
    ['no output', { output: undefined }],
    ['an output that is not a path', { output: 1 }],
    ['a duration that is not text', { expires: 7 }],
    ['to add or not to add', { addSignature: 'yes' }],
    ['an invalid address of a timestamp authority', { timestampAuthority: 'not a URL' }],
    ['one that is not text', { timestampAuthority: 1 }],
    ['an invalid signal', { signal: 'now' }],
  ])('%s', async (_, options) => {
    await expect(sign(options)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('an option that it does not know', async () => {
    await expect(sign({ expire: '7d' } as never)).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for signFeed') as string }),
    )
  })

  test('an address of a timestamp authority before anything is read', async () => {
    await expect(
      signFeed(at('missing.yaml'), { signer, output: at('feed.jsonl'), timestampAuthority: 'not a URL' }),
    ).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('a further signature with a time of its own', async () => {
    await sign()
    const both = { addSignature: true, expires: '9d' }
    const hint = expect.stringContaining('which says when it expires') as string
    await expect(sign(both)).rejects.toEqual(refusal('INVALID_ARGUMENT', { hint }))
  })

  test('an invalid duration, and says so', async () => {
    await expect(sign({ expires: 'soon' })).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { expected: 'a duration such as 7d, 12h or P1M', found: '"soon"' }),
    )
  })

  test('what readers would refuse, before the signer is asked', async () => {
    const prepare = vi.fn()
    await expect(sign({ expires: '0d', signer: { ...signer, prepare } })).rejects.toEqual(
      refusal('ADVISORY_INVALID', { file: at('feed.yaml') }),
    )
    expect(prepare).not.toHaveBeenCalled()
  })

  test('to be continued once it is abandoned', async () => {
    await expect(sign({ signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
    await sign()
    await expect(sign({ signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
    const controller = new AbortController()
    const prepare = () => {
      controller.abort()
      return Promise.resolve()
    }
    const making = vi.fn()
    await expect(sign({ signal: controller.signal, signer: { ...signer, prepare, sign: making } })).rejects.toEqual(
      refusal('ABORTED'),
    )
    expect(making).not.toHaveBeenCalled()
  })

  test('another feed in the output', async () => {
    await sign()
    await createFeedSource(at('other.yaml'), { feed: 'other' })
    await expect(signFeed(at('other.yaml'), { signer, output: at('feed.jsonl') })).rejects.toEqual(
      refusal('ADVISORY_INVALID', { file: at('feed.jsonl'), expected: '"other"', found: '"acme"' }),
    )
  })

  test('to replace what somebody else has written meanwhile', async () => {
    await sign()
    const prepare = () => writeFile(at('feed.jsonl'), 'by somebody else')
    await expect(sign({ signer: { ...signer, prepare } })).rejects.toEqual(
      refusal('FILE_CHANGED', { file: at('feed.jsonl') }),
    )
    expect(textOf('feed.jsonl')).toBe('by somebody else')
  })
})

describe('a further signature is refused', () => {
  const further = async () => sign({ signer: await keyNamed('two'), addSignature: true })

  test('if there is no feed', async () => {
    await expect(further()).rejects.toEqual(refusal('FILE_NOT_FOUND', { file: at('feed.jsonl') }))
  })

  test('if the feed denies less or more than its source, or something in another way', async () => {
    await addToFeed(at('feed.yaml'), { keys: [{ fingerprint: HEX, reason: 'stolen' }] })
    await sign()
    const before = textOf('feed.jsonl')
    const different = (what: string) =>
      refusal('ADVISORY_INVALID', { file: at('feed.jsonl'), found: `a difference about the ${what}` })
    await addToFeed(at('feed.yaml'), { keys: [{ fingerprint: HEX, reason: 'lost' }] })
    await expect(further()).rejects.toEqual(different(`key sha256:${HEX}`))
    await removeFromFeed(at('feed.yaml'), { keys: [HEX] })
    await expect(further()).rejects.toEqual(different(`key sha256:${HEX}`))
    await addToFeed(at('feed.yaml'), { keys: [{ fingerprint: HEX, reason: 'stolen' }], rootDigests: [HEX] })
    await expect(further()).rejects.toEqual(different(`model sha256:${HEX}`))
    expect(textOf('feed.jsonl')).toBe(before)
  })

  test('at the time at which the version expires, and not before', async () => {
    const { feed } = await sign()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(feed.expires) })
    await expect(further()).rejects.toEqual(
      refusal('ADVISORY_STALE', { file: at('feed.jsonl'), found: `one that expired at ${feed.expires}` }),
    )
    vi.setSystemTime(Date.parse(feed.expires) - 1)
    expect(await further()).toMatchObject({ added: true, signatures: 2 })
  })
})

describe('a signed version', () => {
  test('is valid from this second on, for as long as the source or the caller says', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-01-31T12:00:00.750Z') })
    expect((await sign()).feed).toMatchObject({ issued: '2026-01-31T12:00:00Z', expires: '2026-02-07T12:00:00Z' })
    expect((await sign({ expires: '12h' })).feed.expires).toBe('2026-02-01T00:00:00Z')
    expect((await sign({ expires: 'P1M' })).feed.expires).toMatch(/^2026-0(2-28|3-03)T12:00:00Z$/)
  })

  test('is a line for each signature, which everybody may read', async () => {
    await sign()
    expect(textOf('feed.jsonl').match(/\n/g)).toHaveLength(1)
    expect(textOf('feed.jsonl').endsWith('}\n')).toBe(true)
    expect(statSync(at('feed.jsonl')).mode & 0o777).toBe(0o644)
    const [first] = textOf('feed.jsonl').split('\n')
    await sign({ signer: await keyNamed('two'), addSignature: true })
    const lines = textOf('feed.jsonl').split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toBe(first)
  })

  test('reports who signed, and nothing that it does not know', async () => {
    const signed = await sign()
    const description = expect.stringMatching(/^key sha256:/) as string
    expect(signed).toEqual({
      output: at('feed.jsonl'),
      feed: expect.objectContaining({ feed: 'acme', sequence: 1 }) as object,
      signatures: 1,
      added: true,
      missingSigners: [],
      signer: expect.objectContaining({ method: 'key', description }) as object,
    })
    expect(await sign({ signer: await keyNamed('two') })).toMatchObject({
      missingSigners: [description],
      changes: { added: [], changed: [], removed: [] },
    })
    expect(await sign({ signer: await keyNamed('three'), addSignature: true })).not.toHaveProperty('changes')
  })

  test('reports what a check of the signature finds out, and where it is logged', async () => {
    const found = { method: 'key', description: 'the checked signer', fingerprint: HEX } as const
    const time = { source: 'rfc3161', at: '2026-01-31T12:00:00Z' } as never
    const checking: Signer = { ...signer, check: () => Promise.resolve({ signer: found, time }) }
    expect(await sign({ signer: checking })).toMatchObject({ signer: found, time })
    const logging: Signer = {
      ...signer,
      sign: async (...given) => {
        const { signature, verificationMaterial } = await signer.sign(...given)
        return { signature, verificationMaterial, logEntries: [{ log: 'https://log.example', index: '1' }] }
      },
    }
    const logged = await sign({ signer: logging })
    expect(logged.logEntries).toEqual([{ log: 'https://log.example', index: '1' }])
    expect(logged).not.toHaveProperty('signer')
  })

  test('names a missing signer once, however often it signed, and not one that is still there', async () => {
    const sigstore = new TestSigstore()
    await sign({ signer: sigstore.signer() })
    await sign({ signer: sigstore.signer(), addSignature: true })
    const { missingSigners, signatures } = await sign()
    expect(signatures).toBe(1)
    expect(missingSigners).toHaveLength(1)
  })
})

test('a signer of the previous version that cannot be read is not named', async () => {
  await sign()
  const line = JSON.parse(textOf('feed.jsonl')) as { verificationMaterial: object }
  line.verificationMaterial = { x509CertificateChain: { certificates: [{ rawBytes: 'AAAA' }] }, tlogEntries: [] }
  writeFileSync(at('feed.jsonl'), `${JSON.stringify(line)}\n`)
  expect(await sign()).toMatchObject({ missingSigners: [], feed: { sequence: 2 } })
})

test('a feed is signed again each day', async () => {
  await sign()
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30 * DAY })
  // Also after it has expired.
  expect((await sign()).feed.sequence).toBe(2)
})
