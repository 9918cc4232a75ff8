import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, realpathSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { readBundle } from '../../bundle/read-bundle.ts'
import { ModelSealError } from '../../errors.ts'
import { hashingElsewhere, stateVersion, type FileElsewhere, type HashElsewhere } from '../../hashing/elsewhere.ts'
import { hashFiles } from '../../hashing/hash-files.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { digestModel, type DigestOptions } from '../../signing/digest-model.ts'
import { signModel, type SignOptions } from '../../signing/sign-model.ts'
import { identityOf } from '../../source/local/source-file.ts'
import type { ModelSource } from '../../source/model-source.ts'
import { keyPair, sha256 } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { listReceipts } from '../../receipts/receipts.ts'
import { downloadModel } from '../downloading/download-model.ts'
import { judgeModel } from '../operations/judge-model.ts'
import { signModelAgain } from '../operations/sign-again.ts'
import { verifyModel } from '../operations/verify-model.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { hashFilesOnDisk, SourceHasher } from './part-hasher.ts'

vi.mock('../../hashing/hash-files.ts', { spy: true })

const URL = 'store://models/vad'
const CONTENTS = { 'a/config.json': '{}', 'b.bin': 'weights of a model', empty: '' }
const pair = keyPair()
const mapOf = (files: Record<string, string>) =>
  new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]))

const signer = async () => {
  const key = scratch({ key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) })
  return keySigner({ privateKey: join(key, 'key') })
}
const publicKey = () => join(scratch({ pub: pair.publicKey.key.export({ type: 'spki', format: 'pem' }) }), 'pub')

/** Hashes on this machine as another one would, and remembers what was asked for. */
function onDisk(asked: FileElsewhere[] = []): HashElsewhere {
  return ({ files, signal, onProgress }) => {
    asked.push(...files)
    return hashFilesOnDisk(files, { signal, onProgress })
  }
}

function inSource(source: ModelSource, asked: FileElsewhere[] = []): HashElsewhere {
  return async ({ files, signal, onProgress }) => {
    asked.push(...files)
    const hasher = await SourceHasher.open(source, signal)
    try {
      return await hasher.hash(files, { signal, onProgress })
    } finally {
      await hasher.close()
    }
  }
}

async function statementOf(signature: string): Promise<string> {
  return Buffer.from((await readBundle(signature)).envelope.payload).toString()
}

const HOW: [string, Partial<SignOptions>][] = [
  ['whole files', {}],
  ['shards', { shardSize: 7 }],
  ['another hash type', { hashType: 'blake2b', shardSize: 4 }],
]

describe('a model on disk whose files are hashed elsewhere', () => {
  test.each(HOW)('has the statement that one process writes: %s', async (_, options) => {
    const model = scratch(CONTENTS)
    const asked: FileElsewhere[] = []
    const [here, there] = [join(scratch(), 'here.sig'), join(scratch(), 'there.sig')]
    const by = await signer()
    await signModel(model, { ...options, signer: by, signature: here })
    const told: [number, number][] = []
    const onProgress = (...progress: [number, number]) => void told.push(progress)
    await hashingElsewhere(onDisk(asked), () =>
      signModel(model, { ...options, signer: by, signature: there, onProgress }),
    )
    expect(await statementOf(there)).toBe(await statementOf(here))
    const paths = asked.map(({ place }) => ('path' in place ? place.path : ''))
    expect(paths.sort()).toEqual(Object.keys(CONTENTS).map((name) => join(model, name)))
    expect(told.at(-1)).toEqual([20, 20])
  })

  test('is verified by the digests that come back', async () => {
    const model = scratch(CONTENTS)
    const signature = join(model, 'model.sig')
    await signModel(model, { signer: await signer(), shardSize: 7 })
    const asked: FileElsewhere[] = []
    const verify = (hash: HashElsewhere) =>
      hashingElsewhere(hash, () => verifyModel(model, { signature, verifier: { publicKey: publicKey() } }))
    expect(await verify(onDisk(asked))).toMatchObject({ files: { checked: 2, signed: 2 }, bytes: 20 })
    expect(asked).toHaveLength(2)
    const wrong: HashElsewhere = async (request) =>
      (await onDisk()(request)).map((digests, index) => (index === 1 ? digests.with(0, sha256('x')) : digests))
    await expect(verify(wrong)).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test.each([
    ['too few', ([digests = [], ...rest]: readonly (readonly string[])[]) => [digests.slice(1), ...rest]],
    ['too short', ([, ...rest]: readonly (readonly string[])[]) => [['abc'], ...rest]],
    ['of no file', () => []],
    ['in capitals', (all: readonly (readonly string[])[]) => all.map((each) => each.map((one) => one.toUpperCase()))],
  ])('is refused if the digests are %s', async (_, change) => {
    const hash: HashElsewhere = async (request) => change(await onDisk()(request))
    await expect(hashingElsewhere(hash, () => digestModel(scratch(CONTENTS)))).rejects.toEqual(refusal('WORKER_FAILED'))
  })

  test.each([
    ['before it is hashed there', true],
    ['after it was hashed there', false],
  ])('is refused if a file changes %s', async (_, isBefore) => {
    const model = scratch(CONTENTS)
    const change = () => writeFileSync(join(model, 'b.bin'), 'another text here!')
    const hash: HashElsewhere = async (request) => {
      if (isBefore) change()
      const digests = await onDisk()(request)
      if (!isBefore) change()
      return digests
    }
    const changed = refusal('FILE_CHANGED', { file: isBefore ? join(model, 'b.bin') : 'b.bin' })
    await expect(hashingElsewhere(hash, () => digestModel(model))).rejects.toEqual(changed)
  })

  test('leaves and uses no receipt: this user has hashed nothing', async () => {
    vi.stubEnv('XDG_CACHE_HOME', scratch())
    onTestFinished(() => void vi.unstubAllEnvs())
    const model = scratch(CONTENTS)
    await signModel(model, { signer: await signer() })
    const policy = policyWithReceipts()
    const asked: FileElsewhere[] = []
    const elsewhere = await hashingElsewhere(onDisk(asked), () => judgeModel(model, { policy }))
    expect(elsewhere.decision).toBe('accepted')
    expect(asked).toHaveLength(3)
    expect(JSON.stringify(elsewhere)).not.toContain('receipt')
    expect(JSON.stringify(await judgeModel(model, { policy }))).toContain('eceipt')
  })

  test('is hashed here where its bytes are handed out', async () => {
    const model = scratch(CONTENTS)
    await signModel(model, { signer: await signer() })
    const asked: FileElsewhere[] = []
    const opened = await hashingElsewhere(onDisk(asked), () =>
      openVerifiedModel(model, { policy: policyWithReceipts() }, (reader) => reader.read('b.bin')),
    )
    expect(Buffer.from(opened.gathered).toString()).toBe(CONTENTS['b.bin'])
    expect(asked.map(({ place }) => place)).not.toContainEqual({ path: join(model, 'b.bin') })
  })

  const asSigned: HashElsewhere = async ({ files }) =>
    files.map(({ place, wanted }) =>
      wanted.map(() => ('path' in place && place.path.endsWith('b.bin') ? sha256(CONTENTS['b.bin']) : sha256('{}'))),
    )

  /** A signed model, one file of which was changed: only whoever hashes it here notices. */
  async function changedModel(): Promise<string> {
    const model = scratch({ 'a/config.json': '{}', 'b.bin': CONTENTS['b.bin'] })
    await signModel(model, { signer: await signer() })
    writeFileSync(join(model, 'b.bin'), 'weights of a thief')
    return model
  }

  test.each(['in-place', 'copy'] as const)('is hashed here where a path to it is handed out: %s', async (isolation) => {
    const model = await changedModel()
    const options = { policy: policyWithReceipts(), isolation }
    const during = hashingElsewhere(asSigned, () =>
      openVerifiedModel(model, options, (reader) => reader.place(['b.bin'])),
    )
    await expect(during).rejects.toEqual(refusal('FILE_MISMATCH'))
    const opened = await hashingElsewhere(asSigned, () => openVerifiedModel(model, options))
    onTestFinished(() => opened.close())
    await expect(opened.place(['b.bin'])).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test('is hashed here where it is saved', async () => {
    const model = await changedModel()
    const to = scratch()
    const saving = hashingElsewhere(asSigned, () => downloadModel(model, to, { policy: policyWithReceipts() }))
    await expect(saving).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test('leaves no receipt when it is signed again', async () => {
    vi.stubEnv('XDG_CACHE_HOME', scratch())
    onTestFinished(() => void vi.unstubAllEnvs())
    const model = scratch(CONTENTS)
    const by = await signer()
    const { remembered } = await hashingElsewhere(onDisk(), () => signModelAgain(model, { signer: by }))
    expect(remembered).toEqual({ files: 0, reason: 'the files were hashed elsewhere' })
    expect(await listReceipts()).toEqual([])
  })
})

function policyWithReceipts(): string {
  const policy = {
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'all', match: { path: '/**' }, signers: [{ key: 'a' }], require: { receipts: { maxAge: '1h' } } }],
  }
  const key = pair.publicKey.key.export({ type: 'spki', format: 'pem' })
  return join(scratch({ 'policy.json': JSON.stringify(policy), 'a.pub': key }), 'policy.json')
}

describe('a model of a source whose files are hashed elsewhere', () => {
  const listed = (version?: string) => ({
    files: {
      list: () => Object.entries(CONTENTS).map(([name, { length }]) => ({ name, size: length, version })),
    },
  })

  test.each([
    ['versions', listed('v1')],
    ['a revision', { session: { revision: 'abc' } }],
  ])('has the root digest that one process computes, by %s', async (_, states) => {
    const source = memorySource(URL, mapOf(CONTENTS), states)
    const asked: FileElsewhere[] = []
    for (const options of [{}, { shardSize: 7 }, { hashType: 'blake2b' }] satisfies DigestOptions[]) {
      const here = await digestModel(source, options)
      const there = await hashingElsewhere(inSource(source, asked), () => digestModel(source, options))
      expect(there).toEqual(here)
    }
    expect(asked.slice(0, 3).map(({ place }) => place)).toEqual(Object.keys(CONTENTS).map((name) => ({ name })))
  })

  test('is hashed here if nothing says which version is listed', async () => {
    const source = memorySource(URL, mapOf(CONTENTS))
    const hash: HashElsewhere = () => expect.fail('asked')
    expect(await hashingElsewhere(hash, () => digestModel(source))).toEqual(await digestModel(source))
  })

  test('is verified by the digests that come back', async () => {
    const signature = join(scratch(), 'model.sig')
    const source = memorySource(URL, mapOf(CONTENTS), listed('v1'))
    await signModel(source, { signer: await signer(), signature })
    const signed = new Map([...mapOf(CONTENTS), ['model.sig', readFileSync(signature)]])
    const served = memorySource(URL, signed, {
      files: listed('v1').files,
    })
    const verify = (hash: HashElsewhere) =>
      hashingElsewhere(hash, () => verifyModel(served, { signature, verifier: { publicKey: publicKey() } }))
    expect(await verify(inSource(served))).toMatchObject({ files: { checked: 3, signed: 3 }, bytes: 20 })
    const wrong: HashElsewhere = ({ files }) =>
      Promise.resolve(files.map(({ wanted }) => wanted.map(() => sha256('x'))))
    await expect(verify(wrong)).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test.each([
    ['another version', listed('v2'), 'FILE_CHANGED'],
    ['no version', {}, 'FILE_CHANGED'],
    ['another size', { files: { list: () => [{ name: 'b.bin', size: 3, version: 'v1' }] } }, 'FILE_CHANGED'],
    ['no such file', { files: { list: () => [{ name: 'a/config.json', size: 2, version: 'v1' }] } }, 'FILE_MISSING'],
    ['no listing', { files: { list: undefined } }, 'SOURCE_UNLISTED'],
    ['no content', { files: { ...listed('v1').files, read: () => Promise.resolve() } }, 'FILE_CHANGED'],
  ] as const)('is refused by a worker whose source has %s', async (_, states, code) => {
    const hasher = await SourceHasher.open(memorySource(URL, mapOf(CONTENTS), states))
    const wanted = [{ hashType: 'sha256' as const, start: 0, end: 18 }]
    await expect(hasher.hash([{ place: { name: 'b.bin' }, size: 18, version: 'v1', wanted }])).rejects.toEqual(
      refusal(code),
    )
    await hasher.close()
  })

  test.each([
    ['more', ['weights of a model', '!'], '18 bytes'],
    ['fewer', ['weights'], '18 bytes'],
  ])('is refused by a worker that gets %s bytes than were listed', async (_, pieces, expected) => {
    const source = memorySource(URL, mapOf(CONTENTS), {
      files: {
        ...listed('v1').files,
        read: (_request, receive) => receive({ chunks: pieces.map((piece) => Buffer.from(piece)) }),
      },
    })
    const hasher = await SourceHasher.open(source)
    const wanted = [{ hashType: 'sha256' as const, start: 0, end: 18 }]
    await expect(hasher.hash([{ place: { name: 'b.bin' }, size: 18, version: 'v1', wanted }])).rejects.toEqual(
      refusal('FILE_CHANGED', { file: 'b.bin', expected }),
    )
    await hasher.close()
  })
})

test('a worker lists a source again whose listing failed', async () => {
  let attempts = 0
  const list = () => {
    if (attempts++ === 0) throw new Error('away')
    return [{ name: 'b.bin', size: 18, version: 'v1' }]
  }
  const hasher = await SourceHasher.open(memorySource(URL, mapOf(CONTENTS), { files: { list } }))
  const wanted = [{ hashType: 'sha256' as const, start: 0, end: 18 }]
  const file = { place: { name: 'b.bin' }, size: 18, version: 'v1', wanted }
  await expect(hasher.hash([file])).rejects.toEqual(refusal('SOURCE_FAILED'))
  expect(await hasher.hash([file])).toEqual([[sha256(CONTENTS['b.bin'])]])
  await hasher.hash([file])
  expect(attempts).toBe(2)
  await hasher.close()
})

test('a worker that is aborted throws ABORTED', async () => {
  const states = { session: { revision: 'abc' } }
  const hasher = await SourceHasher.open(memorySource(URL, mapOf(CONTENTS), states))
  const wanted = [{ hashType: 'sha256' as const, start: 0, end: 18 }]
  const file = { place: { name: 'b.bin' }, size: 18, version: 'abc', wanted }
  await expect(hasher.hash([file], { signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
  await hasher.close()
})

describe('files on disk', () => {
  test('get the digests that are wanted, by their hash types', async () => {
    const model = scratch(CONTENTS)
    const path = join(model, 'b.bin')
    const version = stateVersion(identityOf(lstatSync(path, { bigint: true })))
    const done: number[] = []
    const wanted = [
      { hashType: 'sha256', start: 7, end: 18 },
      { hashType: 'blake2b', start: 0, end: 18 },
      { hashType: 'sha256', start: 0, end: 7 },
    ] as const
    vi.mocked(hashFiles).mockClear()
    const [digests] = await hashFilesOnDisk([{ place: { path }, size: 18, version, wanted }], {
      onProgress: (bytes) => void done.push(bytes),
    })
    const blake2b = createHash('blake2b512').update(CONTENTS['b.bin']).digest('hex')
    expect(digests).toEqual([sha256(' of a model'), blake2b, sha256('weights')])
    expect(done.at(-1)).toBe(36)
    // They need not fit into memory.
    const jobs = vi.mocked(hashFiles).mock.calls.flatMap(([given]) => given)
    expect(jobs.map(({ keep }) => keep)).toEqual([false, false])
  })

  test('are checked by where they really are', async () => {
    const [root, outside] = [scratch(CONTENTS), scratch(CONTENTS)]
    symlinkSync(outside, join(root, 'link'))
    const path = join(root, 'link', 'b.bin')
    const wanted = [{ hashType: 'sha256' as const, start: 0, end: 18 }]
    const checkPlace = vi.fn((_: string, realPath: string) => {
      if (!realPath.startsWith(root)) throw new ModelSealError('FLEET_JOB', 'Outside.')
    })
    const asking = hashFilesOnDisk([{ place: { path }, size: 1, version: 'unknown', wanted }], { checkPlace })
    // Before it says in which state the file is.
    await expect(asking).rejects.toEqual(refusal('FLEET_JOB'))
    expect(checkPlace).toHaveBeenCalledExactlyOnceWith(path, join(realpathSync(outside), 'b.bin'))
  })

  test('are refused in another state, even of the same size', async () => {
    const path = join(scratch(CONTENTS), 'b.bin')
    const version = stateVersion(identityOf(lstatSync(path, { bigint: true })))
    utimesSync(path, 1, 1)
    const wanted = [{ hashType: 'sha256' as const, start: 0, end: 18 }]
    const file = { place: { path }, size: 18, version, wanted }
    await expect(hashFilesOnDisk([file])).rejects.toEqual(refusal('FILE_CHANGED', { file: path }))
  })
})
