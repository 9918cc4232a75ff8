import { readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadPolicy, openVerifiedModel, type ErrorCode } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { verifyModel } from '@modelseal/core/verification'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { publisherIn, remove, scratch, writeTree } from './support/models.ts'
import { attackRuns } from '../packages/core/src/testing/runs.ts'

// Names that programs easily get wrong: dots, spaces, colons, globs, quotes, characters around U+FFFF.
const letters = fc.constantFrom(
  ...[
    'a',
    'b',
    'Z',
    '0',
    '.',
    ' ',
    ':',
    '-',
    '~',
    '*',
    '[',
    '\\',
    '"',
    '\n',
    'é',
    'e\u0301',
    '\ue000',
    'ﬀ',
    '\uffff',
    '😀',
    '𐀀',
  ],
)
const component = fc.string({ unit: letters, minLength: 1, maxLength: 6 }).filter((name) => !['.', '..'].includes(name))
const path = fc.array(component, { minLength: 1, maxLength: 3 }).map((components) => components.join('/'))
const content = fc.uint8Array({ maxLength: 64 })

type Tree = ReadonlyMap<string, Uint8Array>

/** Files, none of which is the parent directory of another. */
const tree: fc.Arbitrary<Tree> = fc
  .uniqueArray(fc.tuple(path, content), { minLength: 1, maxLength: 8, selector: ([name]) => name })
  .map((files) => {
    const kept = new Map<string, Uint8Array>()
    for (const [name, bytes] of files) {
      const clashes = [...kept.keys()].some((other) => other.startsWith(`${name}/`) || name.startsWith(`${other}/`))
      if (!clashes) kept.set(name, bytes)
    }
    return kept
  })

/** Returns the expected code; undefined if the change is not possible in this tree. */
type Change = (root: string, tree: Tree, pick: (count: number) => number) => ErrorCode | undefined

function one(files: Tree, pick: (count: number) => number): [string, Uint8Array] {
  return [...files][pick(files.size)]!
}

const CHANGES: Readonly<Record<string, Change>> = {
  'a bit is flipped'(root, files, pick) {
    const [name, bytes] = one(files, pick)
    if (bytes.length === 0) return undefined
    const changed = Uint8Array.from(bytes)
    changed[pick(bytes.length)]! ^= 1 << pick(8)
    writeFileSync(join(root, name), changed)
    return 'FILE_MISMATCH'
  },
  'a byte is added'(root, files, pick) {
    const [name, bytes] = one(files, pick)
    writeFileSync(join(root, name), Buffer.concat([bytes, Buffer.alloc(1)]))
    return 'FILE_MISMATCH'
  },
  'a file is emptied'(root, files, pick) {
    const [name, bytes] = one(files, pick)
    if (bytes.length === 0) return undefined
    writeFileSync(join(root, name), '')
    return 'FILE_MISMATCH'
  },
  'a file is removed'(root, files, pick) {
    rmSync(join(root, one(files, pick)[0]))
    return 'FILE_MISSING'
  },
  'a file is renamed'(root, files, pick) {
    const [name] = one(files, pick)
    renameSync(join(root, name), join(root, `${name}x`))
    return files.has(`${name}x`) || hasBelow(files, `${name}x`) ? undefined : 'FILE_MISSING'
  },
  'a file is added'(root, files, pick) {
    const [name] = one(files, pick)
    const added = `${name}.added`
    if (files.has(added) || hasBelow(files, added)) return undefined
    writeFileSync(join(root, added), '')
    return 'FILE_UNSIGNED'
  },
  'two files are swapped'(root, files, pick) {
    const [a, bytesOfA] = one(files, pick)
    const [b, bytesOfB] = one(files, pick)
    if (Buffer.compare(bytesOfA, bytesOfB) === 0) return undefined
    writeFileSync(join(root, a), bytesOfB)
    writeFileSync(join(root, b), bytesOfA)
    return 'FILE_MISMATCH'
  },
  'a file becomes a link to its own content'(root, files, pick) {
    const [name] = one(files, pick)
    renameSync(join(root, name), join(root, '../aside'))
    symlinkSync(join(root, '../aside'), join(root, name))
    return 'SYMLINK_REFUSED'
  },
  'a directory becomes a link to its own content'(root, files, pick) {
    const [name] = one(files, pick)
    const [directory] = name.split('/')
    if (directory === name) return undefined
    renameSync(join(root, directory!), join(root, '../aside'))
    symlinkSync(join(root, '../aside'), join(root, directory!))
    return 'SYMLINK_REFUSED'
  },
  'a file becomes a directory'(root, files, pick) {
    const [name] = one(files, pick)
    rmSync(join(root, name))
    writeTree(root, { [`${name}/file`]: '' })
    return 'FILE_MISSING'
  },
}

function hasBelow(files: Tree, name: string): boolean {
  return [...files.keys()].some((other) => other.startsWith(`${name}/`))
}

test('any signed tree verifies and loads, and does neither after any single change', async () => {
  const directory = scratch()
  const publisher = publisherIn(directory)
  const signer = await keySigner({ privateKey: publisher.privateKey })
  const policy = await loadPolicy(publisher.policy)
  const model = join(directory, 'model')
  const made = new Map<string, number>()

  await fc.assert(
    fc.asyncProperty(
      tree,
      fc.constantFrom(...Object.keys(CHANGES)),
      fc.infiniteStream(fc.nat()),
      async (files, what, numbers) => {
        remove(model)
        remove(join(directory, 'aside'))
        writeTree(model, Object.fromEntries(files))
        const signed = await signModel(model, { signer })
        const verify = () =>
          verifyModel(model, { signature: signed.signature, verifier: { publicKey: publisher.publicKey } })
        expect(await verify()).toMatchObject({
          rootDigest: signed.rootDigest,
          files: { checked: files.size, signed: files.size },
        })

        const opened = await openVerifiedModel(model, { policy })
        expect(new Set(opened.files)).toEqual(new Set(files.keys()))
        for (const [name, bytes] of files) expect(Buffer.compare(await opened.read(name), bytes)).toBe(0)

        const pick = (count: number) => (numbers.next().value as number) % count
        const code = CHANGES[what]!(model, files, pick)
        fc.pre(code !== undefined)
        made.set(what, (made.get(what) ?? 0) + 1)
        const refused = expect.objectContaining({ name: 'ModelSealError', code })
        await expect(verify(), what).rejects.toEqual(refused)
        await expect(openVerifiedModel(model, { policy }), what).rejects.toEqual(refused)
      },
    ),
    { numRuns: Math.max(100, attackRuns(100)) },
  )
  expect([...made.keys()].sort()).toEqual(Object.keys(CHANGES).sort())
})

test('refuses the bundle of another signer or of another model', async () => {
  const directory = scratch()
  const publisher = publisherIn(directory)
  const stranger = publisherIn(join(directory, 'stranger'))
  writeTree(directory, { 'model/a': 'A', 'other/a': 'B' })
  const model = join(directory, 'model')
  const signature = join(model, 'model.sig')

  await signModel(model, { signer: await keySigner({ privateKey: stranger.privateKey }) })
  await expect(openVerifiedModel(model, { policy: publisher.policy })).rejects.toMatchObject({
    code: 'SIGNER_NOT_TRUSTED',
  })
  await expect(verifyModel(model, { signature, verifier: { publicKey: publisher.publicKey } })).rejects.toMatchObject({
    code: 'KEY_MISMATCH',
  })

  const signer = await keySigner({ privateKey: publisher.privateKey })
  const { signature: foreign } = await signModel(join(directory, 'other'), { signer })
  writeFileSync(signature, readFileSync(foreign))
  await expect(openVerifiedModel(model, { policy: publisher.policy })).rejects.toMatchObject({ code: 'FILE_MISMATCH' })

  rmSync(signature)
  await expect(openVerifiedModel(model, { policy: publisher.policy })).rejects.toMatchObject({
    code: 'BUNDLE_NOT_FOUND',
  })
})
