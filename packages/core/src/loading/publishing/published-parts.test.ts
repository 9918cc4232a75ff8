import { writeFileSync } from 'node:fs'
import { appendFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { keySigner } from '../../signing/methods/key.ts'
import { signModel } from '../../signing/sign-model.ts'
import { bundleOver, encoded, keyPair, sha256, statementOver } from '../../testing/bundles.ts'
import { pem } from '../../testing/feeds.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { attestModel } from '../operations/attest-model.ts'
import { openLocalSource } from '../../source/local/local-source.ts'
import { otherBundlesAmong, preparePublication, unsignedAmong, type Publication } from './publication.ts'
import { publishableAttestations } from './published-attestations.ts'

const TYPE = 'https://example.org/review/v1'
let site: TestSite
beforeEach(async () => {
  site = await TestSite.make()
  onTestFinished(() => site.remove())
  for (const key of ['a', 'b']) await site.key(key)
  await site.model('m')
})

const by = (key: string) => ({ signedBy: { verifier: { publicKey: site.file(`${key}.pub`) } } })
const prepared = (more: object = {}) => preparePublication(site.file('m'), { ...by('a'), ...more })
const signed = (options: Parameters<TestSite['sign']>[3] = {}) => site.sign('m', 'a', 'm/model.sig', options)

async function policy(rule: object = {}): Promise<string> {
  const all = { name: 'all', match: { path: 'm' }, signers: [{ key: 'a' }, { key: 'b' }] }
  const roots = { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } }
  return site.policy({ version: 1, trustRoots: roots, rules: [{ ...all, ...rule }] })
}

async function attest(at: number, model = 'm') {
  const signer = await keySigner({ privateKey: site.file('b.key') })
  return attestModel(site.file(model), { signer, type: TYPE, predicate: { at } })
}

describe('attestations are published', () => {
  test('each once and in one line, whoever signed them', async () => {
    await signed()
    const made = [await attest(1), await attest(2)]
    const path = site.file('m.claims.jsonl')
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
    await appendFile(path, ` ${lines[0]}\r\n`)
    const { attestations, leftOut } = await prepared()
    expect(leftOut).toEqual([])
    expect(attestations).toEqual([
      { path: `${path}:3`, type: TYPE, digest: made[0]?.digest, bytes: Buffer.from(lines[0]!) },
      { path: `${path}:2`, type: TYPE, digest: made[1]?.digest, bytes: Buffer.from(lines[1]!) },
    ])
  })

  test('except for those about another model, and unreadable ones, with the reason', async () => {
    await signed()
    await attest(1)
    const path = site.file('m.claims.jsonl')
    await site.signedModel('other', { 'weights.bin': 'other' })
    await attest(2, 'other')
    await appendFile(path, `${await readFile(site.file('other.claims.jsonl'), 'utf8')}junk\n`)
    const { attestations, leftOut } = await prepared()
    expect(attestations.map((one) => one.path)).toEqual([`${path}:1`])
    expect(leftOut).toEqual([
      { path: `${path}:2`, reason: 'It is about another model.' },
      { path: `${path}:3`, reason: expect.stringContaining('JSON') as string },
    ])
  })

  test('unless their file is one that is signed', async () => {
    await signed()
    await attest(1)
    await rename(site.file('m.claims.jsonl'), site.file('m', 'claims.jsonl'))
    expect((await prepared()).attestations).toHaveLength(1)
    await appendFile(site.file('m', 'claims.jsonl'), '{"content":true}\n')
    await signed()
    const { attestations, leftOut } = await prepared()
    expect([...attestations, ...leftOut]).toEqual([])
  })

  test('unless there are too many', async () => {
    await signed()
    await writeFile(site.file('m.claims.jsonl'), '{}\n'.repeat(1_001))
    await expect(prepared()).rejects.toEqual(refusal('ATTESTATIONS_TOO_MANY'))
  })
})

describe('files are published', () => {
  test('with their digests, if these are of whole files by SHA-256', async () => {
    await signed()
    const digests = [sha256('{}'), sha256('weights')]
    expect((await prepared()).files.map((file) => file.sha256)).toEqual(digests)
    await signed({ hashType: 'blake2b' })
    expect((await prepared()).files.map((file) => file.sha256)).toEqual([undefined, undefined])
    await signed({ shardSize: 4 })
    expect((await prepared()).files.map((file) => file.sha256)).toEqual([undefined, undefined])
  })

  test('unless the only one was signed without its name', async () => {
    const key = keyPair()
    const publicKey = await site.write('own.pub', pem(key))
    const file = await site.write('model.onnx', 'weights')
    await site.write('model.onnx.sig', bundleOver(encoded(statementOver({ '.': 'weights' })), key))
    await expect(preparePublication(file, { signedBy: { verifier: { publicKey } } })).rejects.toEqual(
      refusal('RESOURCE_NAME', { file }),
    )
  })
})

describe('a bundle is published', () => {
  test('with its bytes, its path and its signer', async () => {
    await signed()
    const { bundles, signers, manifest } = await prepared()
    const path = site.file('m/model.sig')
    expect(bundles).toEqual([{ name: 'model.sig', path, bytes: await readFile(path) }])
    const byPolicy = await prepared({ signedBy: { policy: await policy() } })
    expect(byPolicy).toMatchObject({ bundles, signers })
    expect(byPolicy.manifest.rootDigest).toBe(manifest.rootDigest)
    expect(signers).toEqual([expect.stringMatching(/^key sha256:[0-9a-f]{64}$/)])
  })

  test('only if a rule that enforces accepts it', async () => {
    await signed()
    for (const rule of [{ mode: 'audit' }, { mode: 'skip', reason: 'a test', signers: undefined }]) {
      const signedBy = { policy: await policy(rule) }
      const tolerated = prepared({ signedBy })
      // An audit accepts what is right.
      if (rule.mode === 'audit') await expect(tolerated).resolves.toBeDefined()
      else
        await expect(tolerated).rejects.toEqual(
          refusal('SIGNER_NOT_TRUSTED', { file: site.file('m'), expected: 'a rule in the mode "enforce"' }),
        )
    }
  })

  test('with those that count, and no others', async () => {
    await site.sign('m', 'a', 'm.sig')
    await site.sign('m', 'b', 'm.other.sig')
    await site.key('stranger')
    await site.sign('m', 'stranger', 'm.stranger.sig')
    const { bundles } = await prepared({ signedBy: { policy: await policy({ threshold: 2 }) } })
    expect(bundles.map(({ path }) => path).sort()).toEqual([site.file('m.other.sig'), site.file('m.sig')])
    const names = bundles.map(({ name }) => name)
    expect(names).toEqual(['signer-1.oms.sig', 'signer-2.oms.sig'])
  })

  test('from where it is, or where the caller says', async () => {
    await site.sign('m', 'a', 'elsewhere.sig')
    await expect(prepared()).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
    const signature = site.file('elsewhere.sig')
    for (const signedBy of [by('a').signedBy, { policy: await policy() }])
      expect((await prepared({ signature, signedBy })).bundles.map(({ path }) => path)).toEqual([signature])
  })

  test('only if it is as small as the caller says', async () => {
    await signed()
    for (const signedBy of [by('a').signedBy, { policy: await policy() }])
      await expect(prepared({ signedBy, maxBundleBytes: 100 })).rejects.toEqual(refusal('BUNDLE_TOO_LARGE'))
  })

  test('only if it is the one that was just written', async () => {
    const signer = await keySigner({ privateKey: site.file('a.key') })
    const { bundleDigest, rootDigest } = await signModel(site.file('m'), { signer })
    const publication = await prepared({ signedBy: { bundleDigest } })
    expect(publication.manifest.rootDigest).toBe(rootDigest)
    expect(publication.bundles).toHaveLength(1)
    await signed()
    await expect(prepared({ signedBy: { bundleDigest } })).rejects.toEqual(
      refusal('FILE_CHANGED', { file: site.file('m/model.sig') }),
    )
  })

  test('only if it is said who signed it', async () => {
    await signed()
    for (const signedBy of [undefined, { verifier: { publicKey: 1 } }])
      await expect(prepared({ signedBy })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})

test('preparing can be abandoned, and tells of its progress', async () => {
  await signed()
  for (const signedBy of [by('a').signedBy, { policy: await policy() }]) {
    const seen: number[] = []
    await prepared({ signedBy, onProgress: (bytes: number) => void seen.push(bytes) })
    expect(seen.at(-1)).toBe(9)
    await expect(prepared({ signedBy, signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
  }
})

test('a rule that is content with some files is not enough to publish them all', async () => {
  await signed()
  const signedBy = { policy: await policy({ require: { files: 'loaded' } }) }
  const seen: number[] = []
  await prepared({ signedBy, onProgress: (bytes: number) => void seen.push(bytes) })
  expect(seen.at(-1)).toBe(9)
  await rm(site.file('m/config.json'))
  await expect(prepared({ signedBy })).rejects.toEqual(refusal('FILE_MISSING'))
})

const entriesOf = (...names: string[]) => names.map((name) => ({ name, size: 1 }))

describe('at the place,', () => {
  test('unsigned files are those that verifying refuses', async () => {
    await signed({ ignorePaths: ['logs'] })
    const publication = await prepared()
    const names = ['config.json', 'model.sig', 'claims.jsonl', '.git/x', 'logs/x', 'logs2', 'sub/claims.jsonl', 'x']
    expect(unsignedAmong(publication, entriesOf(...names))).toEqual(['logs2', 'sub/claims.jsonl', 'x'])
    expect(unsignedAmong(publication, [{ name: 'empty', size: 0 }])).toEqual(['empty'])
    await signed({ shardSize: 4 })
    const inShards = await prepared()
    const entries = [{ name: 'empty', size: 0 }, { name: 'unknown' }, ...entriesOf('x')]
    expect(unsignedAmong(inShards, entries)).toEqual(['unknown', 'x'])
  })

  const under = ({ manifest }: Publication, ...names: string[]) =>
    ({ manifest, bundles: names.map((name) => ({ name })) }) as unknown as Publication

  test('other bundles are those that a load would read first, or as well', async () => {
    await site.write('m/signed.oms.sig', 'content')
    await signed()
    const publication = await prepared()
    const entries = entriesOf('model.sig', 'signer-1.oms.sig', 'x.oms.sig', 'sub/y.oms.sig', 'signed.oms.sig', 'z.sig')
    expect(otherBundlesAmong(publication, entries)).toEqual({ hiding: [], beside: [] })
    expect(otherBundlesAmong(under(publication, 'signer-1.oms.sig', 'signer-2.oms.sig'), entries)).toEqual({
      hiding: ['model.sig'],
      beside: ['x.oms.sig'],
    })
    expect(
      otherBundlesAmong(under(publication, 'signer-1.oms.sig'), entriesOf('x.oms.sig.txt', 'config.json')),
    ).toEqual({
      hiding: [],
      beside: [],
    })
  })
})

test('another bundle is recognized whatever the length of its name', async () => {
  await signed()
  const publication = { ...(await prepared()), bundles: [] }
  const names = ['other.oms.sig', 'x.oms.sig', '.oms.sig', 'other-oms.sig', 'other.oms-sig']
  expect(otherBundlesAmong(publication, entriesOf(...names)).beside).toEqual(['other.oms.sig', 'x.oms.sig'])
})

test('a bundle in the model is not an unsigned file, whatever its name', async () => {
  await site.sign('m', 'a', 'm/bundle.json')
  const signature = site.file('m/bundle.json')
  for (const signedBy of [by('a').signedBy, { policy: await policy({ require: { files: 'loaded' } }) }]) {
    const { bundles, files } = await prepared({ signature, signedBy })
    expect(bundles.map(({ name, path }) => [name, path])).toEqual([['model.sig', signature]])
    expect(files.map(({ name }) => name)).toEqual(['config.json', 'weights.bin'])
  }
})

test('a bundle that a policy accepted is published only if it still is over the same files', async () => {
  await signed()
  await site.model('other', { 'weights.bin': 'other' })
  await site.sign('other', 'a', 'other.sig')
  const other = await readFile(site.file('other.sig'))
  const onProgress = () => {
    writeFileSync(site.file('m/model.sig'), other)
  }
  await expect(prepared({ signedBy: { policy: await policy() }, onProgress })).rejects.toEqual(
    refusal('FILE_CHANGED', { file: site.file('m/model.sig') }),
  )
})

test('a file that is gone since it was signed is not published', async () => {
  const signer = await keySigner({ privateKey: site.file('a.key') })
  const { bundleDigest } = await signModel(site.file('m'), { signer })
  await rm(site.file('m/config.json'))
  await expect(prepared({ signedBy: { bundleDigest } })).rejects.toEqual(
    refusal('FILE_UNREADABLE', {
      file: site.file('m/config.json'),
      message: expect.stringMatching(/ file "/) as string,
    }),
  )
})

test('bundles that were published before are not unsigned files, but others are', async () => {
  await signed()
  const bundles = [{ name: 'signer-1.oms.sig', path: '', bytes: Buffer.alloc(0) }]
  const names = ['signer-1.oms.sig', 'signer-2.oms.sig']
  expect(unsignedAmong({ ...(await prepared()), bundles }, entriesOf(...names))).toEqual(['signer-2.oms.sig'])
})

test('a signed file with the name of the bundle is named', async () => {
  await site.write('m/model.sig', 'content')
  await site.sign('m/model.sig', 'a', 'other.sig')
  const published = preparePublication(site.file('m/model.sig'), { ...by('a'), signature: site.file('other.sig') })
  await expect(published).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { found: expect.stringContaining('"model.sig"') as string }),
  )
})

test('attestations are read no further once that is abandoned', async () => {
  await signed()
  await attest(1)
  const { manifest } = await prepared()
  const controller = new AbortController()
  // The root digest is looked at once they were found.
  const watched = new Proxy(manifest, {
    get(target, key) {
      if (key === 'rootDigest') controller.abort()
      return Reflect.get(target, key, target) as unknown
    },
  })
  const source = await openLocalSource(site.file('m'))
  await expect(publishableAttestations(source, watched, controller.signal)).rejects.toEqual(refusal('ABORTED'))
  expect((await publishableAttestations(source, manifest, undefined)).attestations).toHaveLength(1)
})
